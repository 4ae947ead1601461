"""Turns prompts into ids, and samples the ids with which a model continues them.

A prompt's text is always read as text: only the functions here insert special tokens, in the same
places as in training. A special token that the model generates is never part of a text, so it ends
one: <|endoftext|> a document or a filled middle, <|end|> an answer.
"""

import codecs
import zlib
from bisect import bisect_left
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import torch
from tokenizers import Tokenizer

from tohum.cached_decoder import Reader
from tohum.copying import Copier, Surroundings, mixed
from tohum.formats.alphabet import byte_characters
from tohum.formats.records import marked_texts
from tohum.formats.special_tokens import (
    END_OF_TEXT_ID,
    MIDDLE_ID,
    PREFIX_ID,
    ROLE_IDS,
    SPECIAL_TOKENS,
    SUFFIX_ID,
)

NEWLINE = byte_characters()[ord("\n")]  # as it is in a token's name
LONGEST_START = 64  # bytes at the end of a prompt that may be spelled in another way
LONGEST_LOOP = 32  # ids of a piece whose repetition most_repeats limits
CHARACTERS = 5  # more than an id has on average; code has three or four
COLDEST = 1e-6  # below this temperature, logits divided by it may be infinite
MOST_LOST = 128  # ids that a cut text may lose so that it begins with a line
SHARE_AFTER = 0.25  # of a prompt's room, at most, is for the text after the cursor
LINE_START = 12  # ids that tell one line from another
KEPT_TEXTS, KEPT_LENGTH = 32, 64_000  # texts, and characters, whose ids are kept
REPEAT_WINDOW = 64  # ids that repeat_penalty looks back on, as in llama.cpp


@dataclass
class Sampling:
    """How ids are drawn; `temperature` 0 takes the likeliest, `top_k` 0 and `top_p` 1 keep all.

    `min_p` keeps the ids with at least this share of the likeliest one's probability
    (https://arxiv.org/abs/2407.01082). `presence_penalty` and `frequency_penalty` lower the logit
    of an id that has been written, once and for each time
    (https://platform.openai.com/docs/api-reference/completions); `repeat_penalty` divides it, for
    the last REPEAT_WINDOW ids of prompt and text (https://arxiv.org/abs/1909.05858). `logit_bias`
    is added to the logit of each id that it names. `most_repeats` ends loops: what is written has
    no piece of up to LONGEST_LOOP ids more than so many times in a row; 0: no limit. `copying` is
    how much what followed the same text elsewhere counts (`tohum.copying`), where the prompt has
    its surroundings: 1 as measured, 0 not at all.
    """

    max_new_tokens: int
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 0
    min_p: float = 0.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repeat_penalty: float = 1.0
    logit_bias: dict[int, float] = field(default_factory=dict)
    most_repeats: int = 0
    copying: float = 0.0


@dataclass
class Prompt:
    """What the model continues. A text may outgrow the context; what is between a pair of marks may
    not, because the marks would be lost.

    The continuation spells `start` first: bytes of the prompt that its ids leave out.
    `surroundings` is the whole file, of which the ids may be a part.
    """

    ids: list[int]
    may_outgrow: bool
    start: bytes = b""
    surroundings: Surroundings | None = None


@dataclass(slots=True)
class Step:
    """An id that was written, the model's logits, (vocabulary,), for its place, and how many of its
    bytes only spell the prompt's end.
    """

    id: int
    logits: torch.Tensor
    spelled: int = 0


class Spelling:
    """Which ids can spell a text.

    A prompt that ends within a word, or in spaces, ends in ids that hardly ever stand there in
    training: "impor" is not how "import" begins. Left out, they are spelled anew, together with
    what comes after ("token healing").
    """

    def __init__(self, vocabulary: list[bytes]) -> None:
        self.vocabulary = vocabulary
        self._ids = {word: id for id, word in enumerate(vocabulary) if id >= len(SPECIAL_TOKENS)}
        self._words = sorted(self._ids)

    def beginning(self, text: bytes) -> list[int]:
        """Returns the ids that `text`, not empty, can begin with: those it is the start of, and
        those that are the start of it.
        """
        found = [self._ids[text[:size]] for size in range(1, len(text)) if text[:size] in self._ids]
        for word in self._words[bisect_left(self._words, text) :]:
            if not word.startswith(text):
                break
            found.append(self._ids[word])
        return found

    def size(self, id: int) -> int:
        """Returns the number of bytes that an id spells."""
        return len(self.vocabulary[id])


def cut_start(tokenizer: Tokenizer, text: str) -> tuple[str, str]:
    """Returns a text without its last pretoken, and that pretoken, for `Prompt.start`.

    What ends with a line, and a pretoken of more than LONGEST_START bytes, stays whole.
    """
    tail = text[-4 * LONGEST_START :]
    pretokens = tokenizer.pre_tokenizer.pre_tokenize_str(tail)
    if not pretokens or tail.endswith("\n"):
        return text, ""
    size = len(tail) - pretokens[-1][1][0]
    longer = len(tail[-size:].encode()) > LONGEST_START
    return (text, "") if longer else (text[:-size], text[-size:])


def text_prompt(tokenizer: Tokenizer, text: str, room: int | None = None) -> Prompt:
    """Returns the start of a document: <|endoftext|> and the text, or its end if it does not fit
    into `room` ids.
    """
    if room is None:
        return Prompt([END_OF_TEXT_ID, *_ids(tokenizer, text)], may_outgrow=True)
    ids = _last_ids(tokenizer, text, room - 1)
    ids = ids[_lasting_start(tokenizer, ids, len(ids) - (room - 1)) :]
    return Prompt([END_OF_TEXT_ID, *ids], may_outgrow=True)


def middle_prompt(tokenizer: Tokenizer, prefix: str, suffix: str, room: int) -> Prompt:
    """Returns a prefix and a suffix in one of the orders of stages.train.middles: suffix first.

    What does not fit into `room` ids is cut where it is farthest from the middle; a long suffix
    gets at most SHARE_AFTER of the room. The four special tokens are always present.

    A prefix that was cut mostly begins where it did at the letter before, so that only what is new
    must be read.
    """
    room = max(0, room - 4)
    before = _last_ids(tokenizer, prefix, room)
    after = _first_ids(tokenizer, suffix, max(room - len(before), int(room * SHARE_AFTER)))
    before = before[_lasting_start(tokenizer, before, len(before) - (room - len(after))) :]
    ids = [END_OF_TEXT_ID, PREFIX_ID, SUFFIX_ID, *after, MIDDLE_ID, *before]
    return Prompt(ids, may_outgrow=False)


def _last_ids(tokenizer: Tokenizer, text: str, room: int) -> tuple[int, ...]:
    """Returns the last ids of a text, at least `room`, or all; those at its cut start may differ
    from the text's own.

    Editors send 50 kB around the cursor with each keystroke, and encoding takes a millisecond for 6
    kB.
    """
    size = max(1, room * CHARACTERS)
    while True:
        start = len(text) - size
        if start > 0:  # with a line, if one begins there
            start = max(start - size, text.rfind("\n", max(0, start - size), start) + 1, 0)
        ids = _ids(tokenizer, text[max(0, start) :])
        if start <= 0 or len(ids) >= room:
            return ids
        size *= 2


def _first_ids(tokenizer: Tokenizer, text: str, room: int) -> tuple[int, ...]:
    """Returns the first ids of a text, at most `room`."""
    size = max(1, room * CHARACTERS)
    while True:
        end = text.find("\n", size, 2 * size) + 1 or 2 * size
        ids = _ids(tokenizer, text[:end])
        if end >= len(text) or len(ids) > room:
            return ids[:room]
        size *= 2


def _lasting_start(tokenizer: Tokenizer, ids: Sequence[int], least: int) -> int:
    """Returns the place, from `least` on, where a text begins that is too long.

    It is the start of a line: of those for which the text loses at most MOST_LOST ids, or a quarter
    of what is left, the one whose hash is smallest. As the text grows, lines enter this window and
    leave it, and the smallest hash is mostly still the same; the first line would be another after
    each line. Without a line it is `least`.
    """
    if least <= 0:
        return 0
    window = range(least, least + min(MOST_LOST, (len(ids) - least) // 4))
    starts = [
        place for place in window if str(tokenizer.id_to_token(ids[place - 1])).endswith(NEWLINE)
    ]
    return min(starts, key=lambda place: _line_hash(ids, place), default=least)


def _line_hash(ids: Sequence[int], place: int) -> int:
    return zlib.crc32(repr(list(ids[place : place + LINE_START])).encode())


def chat_prompt(tokenizer: Tokenizer, messages: list[dict[str, str]], room: int) -> Prompt:
    """Returns a conversation up to the start of the assistant's next words.

    A conversation longer than `room` ids loses its oldest messages. A system message at the start
    stays: it gets half the room or what the last message leaves, and is cut at its end. The last
    message always stays; if it does not fit, its first words are cut.

    The shortest prompt is an empty message: four special tokens, whatever the room.
    """
    listed = [
        [*part.before, *_ids(tokenizer, part.text), *part.after]
        for part in marked_texts({"messages": messages})
    ]
    listed[0] = listed[0][1:]  # <|endoftext|>, which always stays
    room -= 2  # <|endoftext|> and <|assistant|>
    head: list[int] = []
    if messages[0]["role"] == "system" and len(messages) > 1:
        system = listed.pop(0)
        head = _cut_end(system, max(room - len(listed[-1]), room // 2))
    room -= len(head)
    while len(listed) > 1 and sum(map(len, listed)) > room:
        listed.pop(0)
    if len(listed) == 1:
        listed[0] = _cut_start(listed[0], room)
    rest = [id for message in listed for id in message]
    return Prompt([END_OF_TEXT_ID, *head, *rest, ROLE_IDS["assistant"]], may_outgrow=False)


def _cut_end(message: list[int], room: int) -> list[int]:
    """Returns a message cut at its end to fit, or nothing if only its two marks would remain."""
    if len(message) <= room:
        return message
    return [*message[: room - 1], message[-1]] if room > 2 else []


def _cut_start(message: list[int], room: int) -> list[int]:
    """Returns a message cut at its start to fit; its two marks stay."""
    return [message[0], *message[max(1, len(message) - max(room, 2) + 1) :]]


def _ids(tokenizer: Tokenizer, text: str) -> tuple[int, ...]:
    return _kept_ids(tokenizer, text) if len(text) <= KEPT_LENGTH else _encoded(tokenizer, text)


@lru_cache(maxsize=KEPT_TEXTS)
def _kept_ids(tokenizer: Tokenizer, text: str) -> tuple[int, ...]:
    """As `_encoded`. While a word is typed, an editor sends the same texts with each letter, but
    for the word: they would take longer to encode than the word takes the model to read.
    """
    return _encoded(tokenizer, text)


def _encoded(tokenizer: Tokenizer, text: str) -> tuple[int, ...]:
    tokenizer.encode_special_tokens = True
    return tuple(tokenizer.encode(text, add_special_tokens=False).ids)


def sample(reader: Reader, prompt: Prompt, sampling: Sampling) -> Generator[int, None, bool]:
    """Yields the ids of `write`, and returns the same."""
    steps = write(reader, prompt, sampling)
    while True:
        try:
            step = next(steps)
        except StopIteration as stopped:
            return bool(stopped.value)
        yield step.id


def write(
    reader: Reader, prompt: Prompt, sampling: Sampling, spelling: Spelling | None = None
) -> Generator[Step, None, bool]:
    """Yields what the model writes, up to a special token, which is not yielded; returns whether
    one came.

    When the context is full, a text continues from its last half, read again after <|endoftext|>;
    anything else ends. An id that only spells the prompt's `start` does not count as new.
    """
    generator = torch.Generator().manual_seed(sampling.seed)
    copies = _Copies(prompt, sampling, spelling)
    ids, start, done = list(prompt.ids), prompt.start, 0
    written: Counter[int] = Counter()
    new: list[int] = []
    own: list[int] = []  # the new ids but for those that only spell `start`
    while done < sampling.max_new_tokens:
        if len(ids) > reader.context:
            if not prompt.may_outgrow:
                return False
            left = sampling.max_new_tokens - done
            size = max(reader.context // 2, reader.context - left)
            ids = [ids[0], *ids[len(ids) - size + 1 :]]
        logits = reader.logits(ids)
        allowed = spelling.beginning(start) if spelling and start else None
        changed = copies.mixed(_less_repeated(logits, sampling, ids), new)
        changed = _penalised(changed, sampling, written)
        if allowed is None:
            changed = _without_loops(changed, sampling, own)
        id = draw(changed, sampling, generator, allowed)
        if id < len(SPECIAL_TOKENS):
            return True
        size = spelling.size(id) if spelling else 0
        yield Step(id, logits, min(size, len(start)))
        ids.append(id)
        new.append(id)
        if allowed is None:
            written[id] += 1
            own.append(id)
            done += 1
        else:
            if size > len(start):
                own.append(id)
                done += 1
            start = start[size:]
    return False


class _Copies:
    """Mixes what a copy goes on with into a model's logits, if that is asked for."""

    def __init__(self, prompt: Prompt, sampling: Sampling, spelling: Spelling | None) -> None:
        self._share = sampling.copying
        self._copier: Copier | None = None
        self._written, self._count = b"", 0
        if sampling.copying and spelling is not None and prompt.surroundings is not None:
            self._copier = Copier(prompt.surroundings, spelling.vocabulary)
            self._vocabulary = spelling.vocabulary

    def mixed(self, logits: torch.Tensor, new: list[int]) -> torch.Tensor:
        """Returns the logits with the copy, after the new ids. The model decides where it ends: a
        special token that is its likeliest stays that.
        """
        if self._copier is None:
            return logits
        self._written += b"".join(self._vocabulary[id] for id in new[self._count :])
        self._count = len(new)
        advice = self._copier.advice(self._written)
        if advice is None or int(logits.argmax()) < len(SPECIAL_TOKENS):
            return logits
        id, share = advice
        return mixed(logits, id, self._share * share)


def _less_repeated(logits: torch.Tensor, sampling: Sampling, ids: list[int]) -> torch.Tensor:
    """Returns the model's logits with those of recent ids divided by the repeat penalty. It depends
    on where 0 is, so it can't be applied to the logarithms that a copy is mixed into.
    """
    if sampling.repeat_penalty == 1:
        return logits
    logits = logits.clone()
    recent = torch.tensor(sorted(set(ids[-REPEAT_WINDOW:])))
    values = logits[recent]
    divided = values / sampling.repeat_penalty
    logits[recent] = torch.where(values > 0, divided, values * sampling.repeat_penalty)
    return logits


def _penalised(logits: torch.Tensor, sampling: Sampling, written: Counter[int]) -> torch.Tensor:
    """Returns the logits with what is added to them: penalties and biases."""
    penalised = sampling.presence_penalty or sampling.frequency_penalty
    if not (penalised or sampling.logit_bias):
        return logits
    logits = logits.clone()
    if penalised:
        for id, times in written.items():
            logits[id] -= sampling.presence_penalty + times * sampling.frequency_penalty
    for id, bias in sampling.logit_bias.items():
        logits[id] += bias
    return logits


def _without_loops(logits: torch.Tensor, sampling: Sampling, new: list[int]) -> torch.Tensor:
    """Returns the logits without the ids that go on with a loop."""
    looping = loop_ids(new, sampling.most_repeats) if sampling.most_repeats else []
    return logits.index_fill(0, torch.tensor(looping), -torch.inf) if looping else logits


def loop_ids(ids: list[int], most: int) -> list[int]:
    """Returns the ids with which a text would end in a piece of up to LONGEST_LOOP ids more than
    `most` times in a row.
    """
    found = []
    for size in range(1, min(LONGEST_LOOP, (len(ids) + 1) // (most + 1)) + 1):
        start = len(ids) + 1 - size * (most + 1)
        if ids[start : len(ids) - size] == ids[start + size :]:
            found.append(ids[len(ids) - size])
    return found


def draw(
    logits: torch.Tensor,
    sampling: Sampling,
    generator: torch.Generator,
    allowed: list[int] | None = None,
) -> int:
    """Returns an id drawn from logits, (vocabulary,) of float32; one of `allowed`, if given.

    top_p keeps the fewest likeliest ids that together have at least that probability (Holtzman et
    al. 2019, https://arxiv.org/abs/1904.09751), among those that top_k has left.
    """
    if allowed is not None:
        ids = torch.tensor(allowed)
        return allowed[draw(logits[ids], sampling, generator)]
    if sampling.temperature < COLDEST:
        return int(logits.argmax())
    count = min(sampling.top_k or len(logits), len(logits))
    values, ids = torch.topk(logits / sampling.temperature, count)
    chances = torch.softmax(values, dim=-1)
    before = chances.cumsum(-1) - chances  # the total of the likelier ids
    chances[(before >= sampling.top_p) | (chances < sampling.min_p * chances[0])] = 0
    return int(ids[torch.multinomial(chances, 1, generator=generator)])


def as_text(ids: Iterable[int], vocabulary: list[bytes], skip: int = 0) -> Iterator[str]:
    """Yields the text of ids as it comes: a character once its last byte has arrived. The first
    `skip` bytes are left out.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for id in ids:
        word = vocabulary[id]
        skipped = min(skip, len(word))
        skip -= skipped
        if piece := decoder.decode(word[skipped:]):
            yield piece
    if rest := decoder.decode(b"", final=True):
        yield rest
