"""Bytes and tokens of text by language and source, for all documents and those held out.

Special tokens are not counted: they stand for no bytes.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from stages.encode.languages import language_of


@dataclass
class Tallies:
    """`values` maps "all", "language/<name>" and "source/<name>" to [bytes, tokens] by split."""

    values: dict[str, dict[str, list[int]]]

    @staticmethod
    def sum(parts: Iterable["Tallies"]) -> "Tallies":
        """Returns the tallies of all parts together."""
        total = Tallies({})
        for part in parts:
            for name, splits in part.values.items():
                for split, (size, tokens) in splits.items():
                    total._add(name, split, size, tokens)
        return total

    def add(self, record: dict[str, Any], split: str, size: int, tokens: int) -> None:
        """Counts one document."""
        language, source = language_of(record), record.get("source") or "other"
        for name in ("all", f"language/{language}", f"source/{source}"):
            self._add(name, split, size, tokens)

    def _add(self, name: str, split: str, size: int, tokens: int) -> None:
        tally = self.values.setdefault(name, {}).setdefault(split, [0, 0])
        tally[0] += size
        tally[1] += tokens

    def bytes_by(self, kind: str) -> dict[str, int]:
        """Returns the bytes of text under each name of a kind, "language" or "source"."""
        return {
            name.partition("/")[2]: sum(size for size, _ in splits.values())
            for name, splits in self.values.items()
            if name.startswith(f"{kind}/")
        }

    def metrics(self) -> dict[str, Any]:
        """Returns bytes per token for all text, and by language and source; `val` is for the
        documents held out.
        """
        found: dict[str, Any] = {"bytes_per_token": self._ratio("all", "train", "val")}
        for kind in ("language", "source"):
            names = sorted(name for name in self.values if name.startswith(f"{kind}/"))
            found[f"bytes_per_token_by_{kind}"] = {
                name.partition("/")[2]: {
                    "all": self._ratio(name, "train", "val"),
                    "val": self._ratio(name, "val"),
                }
                for name in names
            }
        return found

    def _ratio(self, name: str, *splits: str) -> float | None:
        tallies = [self.values[name][split] for split in splits if split in self.values[name]]
        tokens = sum(tally[1] for tally in tallies)
        return round(sum(tally[0] for tally in tallies) / tokens, 6) if tokens else None
