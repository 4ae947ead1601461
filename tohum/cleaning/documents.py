"""A document as the rules see it, and what a rule says of one."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

import numpy
from numpy.typing import NDArray


@dataclass
class TextDocument:
    """A document whose text has its final form.

    `record` has the content or messages and the provenance; `text` is its content, or its messages
    with an empty line between two; `size` is the bytes of these in UTF-8, the empty lines not
    counted; `file_name` ends in the suffix that gives the language, and is empty where nothing is
    known of it.
    """

    record: dict[str, Any]
    text: str
    size: int
    file_name: str = ""

    @property
    def is_conversation(self) -> bool:
        """Whether the record has messages."""
        return "messages" in self.record

    @cached_property
    def data(self) -> NDArray[numpy.uint8]:
        """The text in UTF-8, (bytes,)."""
        return numpy.frombuffer(self.text.encode("utf-8", "surrogatepass"), numpy.uint8)

    @cached_property
    def line_feeds(self) -> int:
        """How many line feeds the text has."""
        return self.text.count("\n")

    @property
    def lines(self) -> int:
        """How many lines the text has; a line feed ends one."""
        return self.line_feeds + (not self.text.endswith("\n"))

    @cached_property
    def suffix(self) -> str:
        """The suffix of the file's name in lower case with its dot, or an empty string."""
        _, dot, suffix = self.file_name[self.file_name.rfind("/") + 1 :].rpartition(".")
        return (dot + suffix).lower()


class Reason(NamedTuple):
    """Why a rule drops a document: the same words for every document that it drops, and a detail
    of this one.
    """

    rule: str
    detail: str = ""


Check: TypeAlias = Callable[[TextDocument], Reason | None]
Transformation: TypeAlias = Callable[[str], tuple[str, int]]  # a text to the new one, and changes


def for_code(check: Check) -> Check:
    """Returns a check that keeps every conversation: what tells code from data says nothing about
    messages.
    """

    def reject(document: TextDocument) -> Reason | None:
        return None if document.is_conversation else check(document)

    return reject
