"""Notices when a model begins to learn its training texts by heart: the two curves part.

The validation documents are predicted worse and worse, while the training batches are still
predicted better and better. `tohum show curves` draws both.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

RISE = 1.02  # over the lowest validation figure; the same windows are measured each time
IN_A_ROW = 3  # measurements, since one or two may be chance


@dataclass
class Parting:
    """Where validation was best, in bits per byte, and what it was where the rise was certain."""

    best_step: int
    best: float
    noticed_step: int
    noticed: float

    @property
    def told(self) -> str:
        """What it means, and what helps, in plain words."""
        return (
            f"the model predicts the validation texts worse since step {self.best_step} "
            f"({self.best:.3f} bits per byte, now {self.noticed:.3f}), while it still gets better "
            "on its training texts: it is learning them by heart (overfitting). More data helps "
            f"most; otherwise stop near step {self.best_step} (train.steps), or take a smaller "
            "model. `tohum show curves` draws both curves."
        )


def parting(rows: Iterable[dict[str, Any]]) -> Parting | None:
    """Returns where the curves part for the first time, or None.

    They do when IN_A_ROW measurements are above the lowest one by RISE, and the training batches
    are predicted better than there.

    Args:
        rows: of plots/train.csv; those without `bits_per_byte` are passed over.
    """
    best, risen = None, 0
    for row in rows:
        if not row.get("bits_per_byte"):
            continue
        step, learned, held_out = (
            int(row["step"]),
            float(row["train_bits_per_byte"]),
            float(row["bits_per_byte"]),
        )
        if best is None or held_out <= best[2]:
            best, risen = (step, learned, held_out), 0
            continue
        risen = risen + 1 if held_out > RISE * best[2] and learned < best[1] else 0
        if risen == IN_A_ROW:
            return Parting(best[0], best[2], step, held_out)
    return None
