"""What a model writes: prompts with their likeliest continuations, token by token.

The prompts are those of conf/prompts.txt. A model that has read conversations gets the first
questions of the held-out ones too, or nothing else if it has read no other text; its answer stands
beside theirs.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy
import torch

from stages.evaluate.prompts import MOST_REPEATS, read_prompts
from tohum.commands.report.readable_tokens import ReadablePiece, pieces_of, printable
from tohum.decoding import Sampling
from tohum.formats.special_tokens import END_ID, ROLE_IDS
from tohum.formats.tokens import TokenSplit
from tohum.inference import Continuation, LanguageModel

QUESTIONS = 6


@dataclass
class WrittenText:
    """A prompt, what the model wrote after it, and for a question the answer in the data."""

    prompt: str
    pieces: list[ReadablePiece]
    answer: str | None = None


def written_texts(
    model: LanguageModel, prompts: Path, held_out: TokenSplit, new_tokens: int
) -> list[WrittenText]:
    """Returns what a model writes, up to so many tokens after each prompt.

    Args:
        model: the trained model.
        prompts: conf/prompts.txt.
        held_out: the validation documents, in which questions are looked for.
        new_tokens: the longest continuation.
    """
    sampling = Sampling(new_tokens, most_repeats=MOST_REPEATS)
    texts = []
    for question, answer in questions(held_out, model.vocabulary, QUESTIONS):
        prompt = model.chat([{"role": "user", "content": question}], sampling)
        answered = Continuation(model, prompt, sampling, keep_steps=True)
        pieces = written_pieces(answered, model.vocabulary)
        texts.append(WrittenText(printable(question), pieces, printable(answer)))
    if only_conversations(held_out):
        return texts
    for start in read_prompts(prompts):
        continued = Continuation(model, model.text(start, sampling), sampling, keep_steps=True)
        texts.append(WrittenText(printable(start), written_pieces(continued, model.vocabulary)))
    return texts


def only_conversations(split: TokenSplit) -> bool:
    """Whether every document is a conversation: the token after its first is a role's."""
    starts = split.offsets[:-1].astype(numpy.int64)
    longer = starts[numpy.diff(split.offsets.astype(numpy.int64)) > 1]
    roles = list(ROLE_IDS.values())
    return len(starts) > 0 and bool(numpy.isin(split.ids[longer + 1], roles).all())


def questions(split: TokenSplit, vocabulary: list[bytes], count: int) -> list[tuple[str, str]]:
    """Returns the first question of the first `count` conversations, each with its answer."""
    found: list[tuple[str, str]] = []
    for number in range(len(split.offsets) - 1):
        if len(found) == count:
            break
        ids = [int(id) for id in split.document(number)]
        if ROLE_IDS["user"] not in ids or ROLE_IDS["assistant"] not in ids:
            continue
        texts = []
        for role in ("user", "assistant"):
            start = ids.index(ROLE_IDS[role]) + 1
            stop = ids.index(END_ID, start) if END_ID in ids[start:] else len(ids)
            texts.append(
                b"".join(vocabulary[id] for id in ids[start:stop]).decode(errors="replace")
            )
        found.append((texts[0], texts[1]))
    return found


def written_pieces(continuation: Continuation, vocabulary: list[bytes]) -> list[ReadablePiece]:
    """Returns what a model writes in pieces, each with its bits and the likeliest token.

    Args:
        continuation: one that keeps its steps, and has not been read.
        vocabulary: the bytes of each id.
    """
    text = "".join(continuation)
    bits, guesses = [], []
    for step in continuation.steps:
        logs = torch.log_softmax(step.logits, dim=-1)
        top = int(logs.argmax())
        bits.append(-float(logs[step.id]) / math.log(2))
        guesses.append((top, float(logs[top].exp())))
    pieces = pieces_of([step.id for step in continuation.steps], vocabulary, bits, guesses)
    if pieces:  # the first one may begin with the last letters of the prompt
        whole = sum(len(piece.text) for piece in pieces)
        pieces[0].text = pieces[0].text[max(0, whole - len(printable(text))) :]
    return pieces
