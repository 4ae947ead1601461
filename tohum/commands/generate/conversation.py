"""A conversation with the model in the terminal."""

import sys
from typing import TextIO

from tohum.commands.generate.completion import Writer
from tohum.commands.generate.config import Generate


def converse(writer: Writer, options: Generate, questions: TextIO = sys.stdin) -> None:
    """Answers each line of `questions` until they end; a terminal gets a sign to type at.

    The model sees the whole conversation, as far as its context reaches.
    """
    messages: list[dict[str, str]] = []
    if questions.isatty():
        print("An empty line or Ctrl-C ends the conversation.")
    while question := _next_line(questions):
        messages.append({"role": "user", "content": question})
        messages.append({"role": "assistant", "content": answer(writer, messages, options)})


def answer(writer: Writer, messages: list[dict[str, str]], options: Generate) -> str:
    """Writes the assistant's next words to standard output as they come, and returns them."""
    pieces = []
    for piece in writer.answer(messages, options):
        print(piece, end="", flush=True)
        pieces.append(piece)
    print()
    return "".join(pieces)


def _next_line(questions: TextIO) -> str:
    if questions.isatty():
        print("\n> ", end="", flush=True)
    return questions.readline().strip()
