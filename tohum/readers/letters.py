"""Measures how well a text's bytes fit a single-byte encoding and a language written in it.

Single-byte encodings differ in the letter that a byte is; languages differ in their letters, how
often these occur, and next to which others. So each pair of an encoding and a language gives every
byte above ASCII a probability, by what is before and after it, and the pair that makes the text
most probable explains it best. The byte 0xB3 is "ł" in windows-1250, common inside Polish words,
and "³" in windows-1252, which is never inside a word.

Reads letters.csv, a line for each letter of a language: how often it occurs among a thousand
letters above ASCII (rounded from en.wikipedia.org/wiki/Letter_frequency and the translations of
Django 5.2), and, of a hundred of it, how many are after, and how many before, something that is not
a letter, a vowel, a consonant and another letter above ASCII (counted in these translations).
"""

import csv
import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy

TABLE = Path(__file__).with_name("letters.csv")
# The encodings that are considered, and the family of languages that each is for. Of those that
# read a text alike, the first is named.
ENCODINGS = {
    "cp1252": "western",
    "cp1254": "turkish",
    "cp1250": "central",
    "iso8859-2": "central",
    "iso8859-15": "western",
    "cp1257": "baltic",
}
OTHER, VOWEL, CONSONANT, HIGH = range(4)  # what is next to a byte
VOWELS = b"aeiouyAEIOUY"
# Above ASCII these are quotes, dashes and spaces in most of the encodings, the rest letters.
PUNCTUATION = [*b"\x80\x82\x84\x85\x8b\x91\x92\x93\x94\x95\x96\x97\x9b\xa0\xab\xad\xb7\xbb"]
SYMBOL = (0.80, 0.08, 0.08, 0.04)  # next to a symbol, on either side
OPENING = "¿¡"  # which come before a word
JOINING = "\u2019\u2018\u00b4\u00b7\u00ad\u2013"  # symbols inside words
UNUSUAL = set("\xa4\xa6\xa8\xaf\xb8\xac\u0192\u02c6\u02dc\u02c7\u02d8\u02d9\u02db\u02dd\xb9\u201a")
ORDINALS = "ªº"  # letters to Unicode
CAPITALS = 0.08  # of the letters
SYMBOLS = 0.1  # of the characters above ASCII
FOREIGN = 5e-5  # a letter that the language does not have, anywhere
IMPOSSIBLE = 1e-8  # a byte that is not a character
PRIOR = {"cp1252": 2.0, "cp1254": 2.0}  # how much likelier a priori; a logarithm
LEAST = 0.01  # at least, of a letter's places are of each kind


@dataclass(frozen=True)
class Fit:
    """How well bytes fit: the logarithm of their probability.

    `misfits` are the bytes above ASCII that do not fit at all: letters of other languages, symbols
    inside words, bytes that are not characters. `surprise` is how much less probable the language's
    letters are than in its own texts, on average per letter, as a logarithm.
    """

    encoding: str
    language: str
    score: float
    bytes: int
    misfits: int
    letters: int
    surprise: float

    @property
    def plausible(self) -> bool:
        """Whether this can be a text in the language at all; fewer letters allow more."""
        most_misfits = self.bytes * (0.1 + 0.5 / max(1, self.bytes) ** 0.5)
        most_surprise = 1.5 + 3 / max(1, self.letters) ** 0.5
        return bool(self.misfits <= most_misfits and self.surprise <= most_surprise)


def count_contexts(values: Any) -> Any:
    """Returns how often each byte of `values` (uint8) has which context before and after it, (4, 4,
    256).
    """
    kinds = numpy.zeros(256, numpy.int64)
    ascii_letters = [byte for byte in range(128) if chr(byte).isalpha()]
    kinds[ascii_letters], kinds[list(VOWELS)], kinds[0x80:] = CONSONANT, VOWEL, HIGH
    kinds[PUNCTUATION] = OTHER
    beside = numpy.zeros(len(values) + 2, numpy.int64)
    beside[1:-1] = kinds[values]
    places = (4 * beside[:-2] + beside[2:]) * 256 + values
    return numpy.bincount(places, minlength=4096).reshape(4, 4, 256)


def fits(counts: Any) -> list[Fit]:
    """Returns how well each encoding and language fit, the best first.

    Args:
        counts: how often each byte has which context before and after it, (4, 4, 256).
    """
    found = [
        _fit(counts[:, :, 128:], encoding, language)
        for encoding, family in ENCODINGS.items()
        for language in _languages(family)
    ]
    return sorted(found, key=lambda fit: -fit.score)


def _fit(counts: Any, encoding: str, language: str) -> Fit:
    table = _table(encoding, language)
    weighted = counts * table.logarithms
    letters = counts[:, :, table.letters].sum()
    surprise = table.expected - weighted[:, :, table.letters].sum() / max(1, letters)
    return Fit(
        encoding,
        language,
        float(weighted.sum()) + PRIOR.get(encoding, 0),
        int(counts.sum()),
        int(counts[table.unfit].sum()),
        int(letters),
        float(surprise) if letters else 0.0,
    )


def differing(one: str, other: str, present: Any) -> list[int]:
    """Returns the bytes that are `present`, (256,) of bool, and that two encodings read as
    different characters.
    """
    places = numpy.flatnonzero(present).tolist()
    return [byte for byte in places if character(byte, one) != character(byte, other)]


@cache
def _languages(family: str) -> dict[str, dict[str, Any]]:
    """Returns the letters of each language: the probability of each in each context, (4, 4)."""
    languages: dict[str, dict[str, Any]] = {}
    with TABLE.open(encoding="utf-8", newline="") as file:
        for _, name, letter, share, *places in (
            row for row in csv.reader(file) if row[0] == family
        ):
            beside = numpy.maximum(numpy.array(places, float).reshape(2, 4) / 100, LEAST)
            chance = (1 - SYMBOLS) * int(share) / 1000 * numpy.outer(beside[0], beside[1])
            languages.setdefault(name, {})[letter] = chance
    if len(languages) > 1:
        languages["several languages"] = _mixture(list(languages.values()))
    return languages


def _mixture(languages: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns the letters of a text in all of these languages: names of people and places, for
    example.
    """
    letters: dict[str, Any] = {}
    for language in languages:
        for letter, chance in language.items():
            letters[letter] = letters.get(letter, 0) + chance / len(languages)
    return letters


@dataclass(frozen=True)
class _Table:
    """A language in an encoding: for bytes 128 to 255 the `logarithms` of their probabilities in
    each context, (4, 4, 128), and where they are `unfit`; which of them are its `letters`, (128,),
    and the mean logarithm of these in its own texts.
    """

    logarithms: Any
    unfit: Any
    letters: Any
    expected: float


@cache
def _table(encoding: str, language: str) -> _Table:
    known = _languages(ENCODINGS[encoding])[language]
    signs = [character(byte, encoding) for byte in range(128, 256)]
    found = [_chances(sign, known) for sign in signs]
    chances = numpy.stack([numpy.broadcast_to(chance, (4, 4)) for chance, _ in found], 2)
    unfit = numpy.stack([numpy.broadcast_to(misfit, (4, 4)) for _, misfit in found], 2)
    letters = numpy.array([sign in known or sign.lower() in known for sign in signs])
    own = chances[:, :, letters]
    expected = float((own * numpy.log(own)).sum() / own.sum())
    return _Table(numpy.log(chances), unfit, letters, expected)


def _chances(sign: str, letters: dict[str, Any]) -> tuple[Any, Any]:
    """Returns the probability of a sign in each context, and where it is a misfit."""
    if not sign or unicodedata.category(sign) == "Cc":
        return IMPOSSIBLE, True
    if not sign.isalpha() or sign in UNUSUAL or sign in ORDINALS:
        each = SYMBOLS / (1000 if sign in UNUSUAL else 60)
        if sign in JOINING:
            return each / 16, False
        if sign in OPENING:
            return each * numpy.outer(SYMBOL, SYMBOL[::-1]), False
        inside = numpy.zeros((4, 4), bool)
        inside[1:, 1:] = True
        return each * numpy.outer(SYMBOL, SYMBOL), inside
    if sign in letters:
        return letters[sign], False
    if sign.lower() in letters:
        return letters[sign.lower()] * CAPITALS, False
    return FOREIGN / 16, True


@cache
def character(byte: int, encoding: str) -> str:
    """Returns the character of a byte in an encoding; empty if it is none."""
    return bytes([byte]).decode(encoding, "ignore")
