"""Applies the rules to a candidate: it becomes a record, or is dropped for a reason.

What the opt-out list covers is dropped first. Then the cleaning rules (tohum/cleaning/rules) are
applied in order; the first that matches is the reason.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

import orjson

from stages.jsonl.candidates import Candidate
from stages.jsonl.config import Jsonl
from stages.jsonl.opt_out import OptOut
from stages.jsonl.text_decoding import normalise
from tohum.cleaning.documents import TextDocument
from tohum.cleaning.rules import checks, transformations


@dataclass
class Judged:
    """The outcome of a candidate: the line of its record, or of dropped.jsonl.

    `size` is the bytes of its text in UTF-8, `key` its SHA-1 (empty for a dropped one), and `text`
    the text compared for near copies.
    """

    reason: str
    line: bytes
    size: int
    key: bytes
    origin: tuple[str | None, str | None]
    text: str = ""
    redacted: int = 0


class Judge:
    """The rules of one source."""

    def __init__(self, rules: Jsonl, opt_out: OptOut) -> None:
        self.transformations = transformations(rules)
        self.checks = [*([] if opt_out.empty else [opt_out.check]), *checks(rules)]

    def judge(self, candidate: Candidate) -> Judged:
        """Returns the outcome of one document."""
        record = candidate.record
        if candidate.problem:
            return self._dropped(record, candidate.problem, 0, candidate.detail)
        texts, redacted = self._texts(record)
        encoded = [text.encode() for text in texts]
        size = sum(map(len, encoded))
        key = self._key(record, encoded[0])
        text = "\n\n".join(texts)
        if record["id"] is None:
            record["id"] = key.hex()
        document = TextDocument(record, text, size, candidate.file_name)
        for check in self.checks:
            if reason := check(document):
                return self._dropped(record, reason.rule, size, reason.detail)
        line = orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
        return Judged("", line, size, key, self._origin(record), text, redacted)

    def _texts(self, record: dict[str, Any]) -> tuple[list[str], int]:
        """Puts the texts of a record into their final form, in place; returns them and the number
        of redactions.
        """
        holders = record.get("messages") or [record]
        texts, redacted = [], 0
        for holder in holders:
            text = normalise(holder["content"])
            for transform in self.transformations:
                text, changes = transform(text)
                redacted += changes
            holder["content"] = text
            texts.append(text)
        return texts, redacted

    def _key(self, record: dict[str, Any], encoded: bytes) -> bytes:
        """The SHA-1 that equal documents share: of the text, or the messages with their roles."""
        if "messages" in record:
            encoded = orjson.dumps(record["messages"])
        return hashlib.sha1(encoded).digest()

    def _dropped(self, record: dict[str, Any], reason: str, size: int, detail: str) -> Judged:
        line = dropped_line(record, reason, size, detail)
        return Judged(reason, line, size, b"", self._origin(record))

    def _origin(self, record: dict[str, Any]) -> tuple[str | None, str | None]:
        return record.get("repo"), record.get("license")


def dropped_line(record: dict[str, Any], reason: str, size: int, detail: str = "") -> bytes:
    """Returns the line of dropped.jsonl for a document."""
    provenance = {key: record.get(key) for key in ("path", "repo", "id")}
    facts = {
        **provenance,
        "reason": reason,
        "bytes": size,
        **({"detail": detail} if detail else {}),
    }
    return orjson.dumps(facts, option=orjson.OPT_APPEND_NEWLINE)
