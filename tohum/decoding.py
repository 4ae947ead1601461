"""Turns prompts into ids, and samples the ids with which a model continues them.

A prompt's text is always read as text: only the functions here insert special tokens, in the same
places as in training. A special token that the model generates is never part of a text, so it ends
one: <|endoftext|> a document or a filled middle, <|end|> an answer.
"""

import codecs
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import DynamicCache

from tohum.formats.records import marked_texts
from tohum.formats.special_tokens import (
    END_OF_TEXT_ID,
    MIDDLE_ID,
    PREFIX_ID,
    ROLE_IDS,
    SPECIAL_TOKENS,
    SUFFIX_ID,
)


@dataclass
class Sampling:
    """How ids are drawn; `temperature` 0 takes the likeliest, `top_k` 0 and `top_p` 1 keep all."""

    max_new_tokens: int
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 0


@dataclass
class Prompt:
    """What the model continues. A text may outgrow the context; what is between a pair of marks may
    not, because the marks would be lost.
    """

    ids: list[int]
    may_outgrow: bool


def text_prompt(tokenizer: Tokenizer, text: str) -> Prompt:
    """Returns the start of a document: <|endoftext|> and the text, however long."""
    return Prompt([END_OF_TEXT_ID, *_ids(tokenizer, text)], may_outgrow=True)


def middle_prompt(tokenizer: Tokenizer, prefix: str, suffix: str, room: int) -> Prompt:
    """Returns a prefix and a suffix in the order in which stages.train.middles trains them.

    What does not fit into `room` ids is cut where it is farthest from the middle; a long suffix
    gets at most half the room. The four special tokens are always present.
    """
    room = max(0, room - 4)
    before, after = _ids(tokenizer, prefix), _ids(tokenizer, suffix)
    after = after[: max(room - len(before), room // 2)]
    before = before[max(0, len(before) - (room - len(after))) :]
    ids = [END_OF_TEXT_ID, PREFIX_ID, *before, SUFFIX_ID, *after, MIDDLE_ID]
    return Prompt(ids, may_outgrow=False)


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


def _ids(tokenizer: Tokenizer, text: str) -> list[int]:
    tokenizer.encode_special_tokens = True
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
    return ids


def sample(model: Any, prompt: Prompt, sampling: Sampling) -> Generator[int, None, bool]:
    """Yields the ids with which the model continues, up to a special token, which is not yielded;
    returns whether one came.

    When the context (the model's max_position_embeddings) is full, a text continues from its last
    half, read again after <|endoftext|>; anything else ends.
    """
    context = int(model.config.max_position_embeddings)
    generator = torch.Generator().manual_seed(sampling.seed)
    ids, cache, unread = list(prompt.ids), DynamicCache(), list(prompt.ids)
    for done in range(sampling.max_new_tokens):
        if len(ids) > context:
            if not prompt.may_outgrow:
                return False
            size = max(context // 2, context - (sampling.max_new_tokens - done))
            ids = [ids[0], *ids[len(ids) - size + 1 :]]
            cache, unread = DynamicCache(), ids
        with torch.inference_mode():
            logits = model(
                input_ids=torch.tensor([unread], device=model.device),
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            ).logits[0, -1]
        id = draw(logits.float().cpu(), sampling, generator)
        if id < len(SPECIAL_TOKENS):
            return True
        yield id
        ids.append(id)
        unread = [id]
    return False


def draw(logits: torch.Tensor, sampling: Sampling, generator: torch.Generator) -> int:
    """Returns an id drawn from logits, (vocabulary,) of float32.

    top_p keeps the fewest likeliest ids that together have at least that probability (Holtzman et
    al. 2019, https://arxiv.org/abs/1904.09751), among those that top_k has left.
    """
    if sampling.temperature == 0:
        return int(logits.argmax())
    count = min(sampling.top_k or len(logits), len(logits))
    values, ids = torch.topk(logits / sampling.temperature, count)
    chances = torch.softmax(values, dim=-1)
    before = chances.cumsum(-1) - chances  # the total of the likelier ids
    chances[before >= sampling.top_p] = 0
    return int(ids[torch.multinomial(chances, 1, generator=generator)])


def as_text(ids: Iterable[int], vocabulary: list[bytes]) -> Iterator[str]:
    """Yields the text of ids as it comes: a character once its last byte has arrived."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for id in ids:
        if piece := decoder.decode(vocabulary[id]):
            yield piece
    if rest := decoder.decode(b"", final=True):
        yield rest
