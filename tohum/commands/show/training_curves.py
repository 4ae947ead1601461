"""The curve of a training run: bits per byte on the texts it learns from, and on those held out.

It reads plots/train.csv. Both curves fall while the model learns what texts have in common; where
it begins to learn its own texts by heart, they part.
"""

import csv
import math
from dataclasses import dataclass
from pathlib import Path

from tohum.commands.show.config import Show
from tohum.commands.show.drawing import MARGIN, WIDTH, Drawing
from tohum.commands.show.lettering import bar
from tohum.errors import UserError

LEFT, RIGHT, TOP, HEIGHT = 56.0, 96.0, 48.0, 260.0
ROWS = 16  # of the table on the terminal
STEPS = (1, 2, 2.5, 5, 10)
TICKS = 6  # at most, on each axis
PARTED = 1.02  # the last validation figure over the best, above which it has got worse

Curve = list[tuple[float, float]]


@dataclass
class Curves:
    """(step, bits per byte): of the training batches, and on the validation documents."""

    training: Curve
    validation: Curve

    @property
    def best(self) -> tuple[float, float]:
        """Where the validation documents are predicted best."""
        return min(self.validation, key=lambda point: (point[1], point[0]))

    @property
    def parted(self) -> bool:
        """Whether the validation documents were predicted better before the end."""
        return bool(self.validation) and self.validation[-1][1] > PARTED * self.best[1]


def show(_: Show, width: int) -> tuple[list[str], Drawing]:
    """Returns the lines for a terminal of a width, and the drawing."""
    curves = read_curves(Path("plots/train.csv"))
    return _lines(curves, width), _drawing(curves)


def read_curves(path: Path) -> Curves:
    """Returns both curves.

    Raises:
        UserError: there is no such file, or it has no points yet.
    """
    if not path.is_file():
        raise UserError(f"{path} is missing. Run `dvc repro train`.")
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))

    def curve(name: str) -> Curve:
        return [(float(row["step"]), float(row[name])) for row in rows if row.get(name)]

    curves = Curves(curve("train_bits_per_byte"), curve("bits_per_byte"))
    if not curves.training:
        raise UserError(f"{path} has no points: the run was too short to log one.")
    return curves


def _lines(curves: Curves, width: int) -> list[str]:
    points = curves.training[:: math.ceil(len(curves.training) / ROWS)]
    if points[-1] != curves.training[-1]:
        points.append(curves.training[-1])
    measured = dict(curves.validation)
    most = max(value for _, value in points)
    room = min(30, width - 34)
    lines = ["bits per byte", "", f"{'step':>8}  {'training':>8}  {'validation':>10}"]
    for step, value in points:
        held_out = f"{measured[step]:.3f}" if step in measured else ""
        drawn = bar(value / most, room) if room > 4 else ""
        lines.append(f"{step:>8,.0f}  {value:>8.3f}  {held_out:>10}  {drawn}".rstrip())
    return [*lines, *_verdict(curves)]


def _verdict(curves: Curves) -> list[str]:
    if not curves.validation:
        return []
    step, value = curves.best
    lines = ["", f"best on validation: {value:.3f} at step {step:,.0f}"]
    if curves.parted:
        lines.append(f"since then it has got worse ({curves.validation[-1][1]:.3f}): the model")
        lines.append("learns its training texts by heart")
    return lines


def _drawing(curves: Curves) -> Drawing:
    drawing = Drawing("Bits per byte by step")
    both = [*curves.training, *curves.validation]
    last = max(step for step, _ in both)
    highest = max(value for _, value in both) * 1.04
    right, bottom = WIDTH - RIGHT, TOP + HEIGHT

    def placed(point: tuple[float, float]) -> tuple[float, float]:
        step, value = point
        return LEFT + (right - LEFT) * step / last, bottom - HEIGHT * value / highest

    drawing.text(MARGIN, MARGIN + 8, "bits per byte", "soft", size=12)
    for value in _ticks(highest):
        _, y = placed((0, value))
        drawing.path([(LEFT, y), (right, y)], "line")
        drawing.text(LEFT - 8, y + 4, f"{value:g}", "soft", "end", 12)
    for step in _ticks(last):
        x, _ = placed((step, 0))
        drawing.text(x, bottom + 20, f"{step:,.0f}", "soft", "middle", 12)
    drawing.text(WIDTH - MARGIN, bottom + 20, "step", "soft", "end", 12)
    drawing.path([placed(point) for point in curves.training], "first", 2)
    if curves.validation:
        drawing.path([placed(point) for point in curves.validation], "second", 2.5)
        if len(curves.validation) <= 12:  # measured so seldom that a line alone would not show it
            for point in curves.validation:
                drawing.dot(*placed(point), "second", 3.5)
    if curves.parted:
        x, y = placed(curves.best)
        drawing.path([(x, TOP), (x, bottom)], "soft", 1, "3 4")
        drawing.dot(x, y, "second", 4.5)
        drawing.text(x + 6, TOP + 10, "best on validation", "soft", size=12)
    _name_ends(drawing, curves, placed(curves.training[-1]), right)
    return drawing


def _name_ends(
    drawing: Drawing, curves: Curves, training: tuple[float, float], right: float
) -> None:
    """Adds the names of the curves at their ends, apart from each other."""
    y = training[1] + 4
    if curves.validation:
        scale = training[1] - (TOP + HEIGHT)
        other = TOP + HEIGHT + scale * curves.validation[-1][1] / curves.training[-1][1] + 4
        if abs(other - y) < 15:
            middle = (other + y) / 2
            above = 8 if other <= y else -8
            other, y = middle - above, middle + above
        drawing.text(right + 10, other, "validation", "second", bold=True)
    drawing.text(right + 10, y, "training", "first", bold=True)


def _ticks(highest: float) -> list[float]:
    """Returns round numbers from 0 to at most `highest`."""
    power = 10 ** math.floor(math.log10(highest / TICKS))
    step = next(power * size for size in STEPS if highest / (power * size) <= TICKS)
    return [number * step for number in range(math.floor(highest / step) + 1)]
