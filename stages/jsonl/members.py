"""The judged sources of a corpus, and which documents of each are taken."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy

from stages.jsonl.prepared import KEPT, Prepared


@dataclass
class Member:
    """A prepared source: its units in order, and how often its documents are taken."""

    name: str
    weight: float
    units: list[Path]

    def taken(self, unit: Prepared, copy: int = 1) -> numpy.ndarray[Any, Any]:
        """Returns which documents of one of its units are taken the `copy`-th time, (documents,) of
        bool: those that no rule dropped and, for a fractional part of the weight, only those with
        the smallest keys.
        """
        kept: numpy.ndarray[Any, Any] = unit.documents["reason"] == KEPT
        share = self.weight - (copy - 1)
        if share >= 1:
            return kept
        heads = numpy.frombuffer(unit.documents["key"].tobytes(), ">u8,V12")["f0"]
        return kept & (heads < share * 2.0**64)
