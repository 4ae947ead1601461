"""A document as the rules see it, and a rule's reason to drop one."""

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
    separated by empty lines; `size` is their size in bytes of UTF-8, without these empty lines;
    `file_name` ends in the suffix that gives the language, and is empty if that is unknown.
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
        """The number of line feeds in the text."""
        return self.text.count("\n")

    @property
    def lines(self) -> int:
        """The number of lines in the text; a line feed ends a line."""
        return self.line_feeds + (not self.text.endswith("\n"))

    @cached_property
    def suffix(self) -> str:
        """The file name's suffix in lower case, with its dot, or an empty string."""
        _, dot, suffix = self.file_name[self.file_name.rfind("/") + 1 :].rpartition(".")
        return (dot + suffix).lower()


class Reason(NamedTuple):
    """Why a rule drops a document: the same words for every document, and a detail of this one."""

    rule: str
    detail: str = ""


Check: TypeAlias = Callable[[TextDocument], Reason | None]
Transformation: TypeAlias = Callable[[str], tuple[str, int]]  # to a new text, and changes


def for_code(check: Check) -> Check:
    """Returns a check that keeps every conversation: what distinguishes code from data says nothing
    about messages.
    """

    def reject(document: TextDocument) -> Reason | None:
        return None if document.is_conversation else check(document)

    return reject
