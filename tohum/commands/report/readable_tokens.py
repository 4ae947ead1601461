"""Tokens as people can read them: pieces of whole characters, each with what it cost the model."""

import codecs
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from tohum.commands.printing import visible
from tohum.commands.show.lettering import columns, seen
from tohum.formats.special_tokens import ROLE_IDS, SPECIAL_TOKENS

LEVELS = (1, 2, 4, 7)  # bits a token up to which each of the first levels reaches
LONG_RUN = 6
ROLES = tuple(SPECIAL_TOKENS[id] for id in ROLE_IDS.values())
TIMES = "\N{MULTIPLICATION SIGN}"


@dataclass
class ReadablePiece:
    """The text of a token, or of several that spell one character together.

    `bits` is what the model needed for them, and `guess` the likeliest token in place of the first,
    with its probability. Both are None where nothing was predicted.
    """

    text: str
    special: bool = False
    bits: float | None = None
    guess: tuple[str, float] | None = None

    @property
    def begins_turn(self) -> bool:
        """Whether somebody begins to talk in a conversation."""
        return self.special and self.text.endswith(ROLES)

    @property
    def level(self) -> int:
        """How surprised the model was, from 0 to 4."""
        assert self.bits is not None
        return sum(self.bits > most for most in LEVELS)


def pieces_of(
    ids: Iterable[int],
    vocabulary: Sequence[bytes],
    bits: Iterable[float] | None = None,
    guesses: Iterable[tuple[int, float]] | None = None,
) -> list[ReadablePiece]:
    """Returns the pieces of some ids, in order.

    Args:
        ids: of a text; bytes at its start or end that are no whole character become U+FFFD.
        vocabulary: the bytes of each id.
        bits: for each id.
        guesses: the likeliest id in place of each, with its probability.
    """
    listed = list(ids)
    costs = list(bits) if bits is not None else [None] * len(listed)
    tops = list(guesses) if guesses is not None else [None] * len(listed)
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    pieces: list[ReadablePiece] = []
    begun: ReadablePiece | None = None
    for id, cost, top in zip(listed, costs, tops, strict=True):
        if begun is None:
            guess = None if top is None else (named(top[0], vocabulary), top[1])
            begun = ReadablePiece("", False, cost, guess)
        elif cost is not None and begun.bits is not None:
            begun.bits += cost
        if id < len(SPECIAL_TOKENS):
            begun.text += printable(decoder.decode(b"", final=True))
            begun.text += SPECIAL_TOKENS[id]
            begun.special = True
            decoder.reset()
        else:
            begun.text += printable(decoder.decode(vocabulary[id]))
        if not decoder.getstate()[0]:
            pieces.append(begun)
            begun = None
    if begun is not None:
        begun.text += printable(decoder.decode(b"", final=True))
        pieces.append(begun)
    return pieces


def printable(text: str) -> str:
    """Returns a text whose other control characters than line ends and tabs are codes."""
    return "".join(one if one in "\n\t" else visible(one) for one in text)


def named(id: int, vocabulary: Sequence[bytes]) -> str:
    """Returns a token by itself, with its spaces and line ends as signs, and a long run of one sign
    as the sign and its number.
    """
    if id < len(SPECIAL_TOKENS):
        return SPECIAL_TOKENS[id]
    parts = []
    for sign, run in groupby(seen(vocabulary[id])):
        length = len(list(run))
        long = length >= LONG_RUN and columns(sign) == 1
        parts.append(f"{sign}{TIMES}{length}" if long else sign * length)
    return "".join(parts)
