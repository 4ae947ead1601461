"""Faults that a test has set and that the next requests meet."""

import math
import threading
from dataclasses import dataclass
from typing import Generic, TypeVar

FOREVER = math.inf

Kind = TypeVar("Kind")


@dataclass
class _Planned(Generic[Kind]):
    fault: Kind
    part: str
    left: float


class Schedule(Generic[Kind]):
    """Faults in the order in which they were set, each for a number of requests."""

    def __init__(self) -> None:
        self._planned: list[_Planned[Kind]] = []
        self._lock = threading.Lock()

    def add(self, fault: Kind, times: float = 1, part: str = "") -> None:
        """Plans `fault` for the next `times` requests whose target contains `part`."""
        with self._lock:
            self._planned.append(_Planned(fault, part, times))

    def take(self, target: str) -> Kind | None:
        """Uses up and returns the fault that a request for `target` meets, if any.

        Those for a part of the target come before those for any target.
        """
        with self._lock:
            for planned in sorted(self._planned, key=lambda planned: not planned.part):
                if planned.part in target and planned.left > 0:
                    planned.left -= 1
                    return planned.fault
        return None

    def clear(self) -> None:
        """Forgets all that is planned: the service has healed."""
        with self._lock:
            self._planned.clear()
