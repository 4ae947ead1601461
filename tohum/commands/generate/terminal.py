"""Prints what the model generates on the terminal: a text, an answer, a conversation."""

from collections.abc import Iterable
from typing import TextIO

from tohum.commands.generate.config import Generate
from tohum.commands.printing import tell
from tohum.decoding import Sampling
from tohum.inference import LanguageModel
from tohum.streams import read_line


def print_completion(model: LanguageModel, options: Generate) -> None:
    """Prints the prompt, its continuation and the suffix as the text comes."""
    print(options.prompt, end="", flush=True)
    _print_pieces(model.complete(options.prompt, options.sampling, options.suffix))
    print(options.suffix or "")


def converse(model: LanguageModel, sampling: Sampling, questions: TextIO) -> None:
    """Answers each line of `questions` until they end; a terminal gets an input prompt.

    The model sees the whole conversation, as far as its context reaches.
    """
    messages: list[dict[str, str]] = []
    if questions.isatty():
        tell("An empty line or Ctrl-C ends the conversation.")
    while question := _next_line(questions):
        messages.append({"role": "user", "content": question})
        answer = print_answer(model, messages, sampling)
        messages.append({"role": "assistant", "content": answer})


def print_answer(model: LanguageModel, messages: list[dict[str, str]], sampling: Sampling) -> str:
    """Prints the assistant's next words as they come, and returns them."""
    answer = _print_pieces(model.answer(messages, sampling))
    print()
    return answer


def _print_pieces(pieces: Iterable[str]) -> str:
    printed = []
    for piece in pieces:
        print(piece, end="", flush=True)
        printed.append(piece)
    return "".join(printed)


def _next_line(questions: TextIO) -> str:
    if questions.isatty():
        print("\n> ", end="", flush=True)
    return read_line(questions).strip()
