"""What more data, more steps or a larger model brings: bits per byte by a key that a sweep tried.

It reads sweep.csv of the newest sweep up to evaluate over one key with numbers, in outputs/sweep.
"""

import csv
import math
from dataclasses import dataclass
from pathlib import Path

from tohum.commands.show.config import Show
from tohum.commands.show.drawing import MARGIN, WIDTH, Drawing
from tohum.commands.show.lettering import bar
from tohum.errors import UserError

SWEEPS = Path("outputs/sweep")
MEASURE = "bits_per_byte"
FIRST_FIGURE = "entries"  # the column after the swept keys
LEFT, RIGHT, TOP, HEIGHT = 56.0, 40.0, 52.0, 220.0
LONGEST_BAR = 30
ROOM = 1.15  # above the highest point


@dataclass
class Scaling:
    """The key, and (value, bits per byte) of each point, by value."""

    key: str
    points: list[tuple[float, float]]


def show(_: Show, width: int) -> tuple[list[str], Drawing]:
    """Returns the lines for a terminal of a width, and the drawing."""
    scaling = newest_scaling(SWEEPS)
    return _lines(scaling, width), _drawing(scaling)


def newest_scaling(folder: Path) -> Scaling:
    """Returns the points of the newest sweep that has some.

    Raises:
        UserError: none has.
    """
    tables = sorted(folder.glob("*/sweep.csv"), key=lambda path: path.stat().st_mtime_ns)
    for path in reversed(tables):
        found = read_scaling(path)
        if found is not None:
            return found
    raise UserError(
        f"{folder} has no sweep up to evaluate over one key with two or more numbers. Run one: "
        "tohum sweep -m sweep.until=evaluate train.steps=50,100,200"
    )


def read_scaling(path: Path) -> Scaling | None:
    """Returns the points of a sweep.csv; None if several keys were swept, or words, or fewer than
    two models were trained.
    """
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        names = list(rows.fieldnames or ())
        keys = names[: names.index(FIRST_FIGURE)] if FIRST_FIGURE in names else []
        if len(keys) != 1:
            return None
        try:
            points = [(float(row[keys[0]]), float(row[MEASURE])) for row in rows if row[MEASURE]]
        except ValueError:
            return None
    if len(points) < 2 or min(points)[0] <= 0:
        return None
    return Scaling(keys[0], sorted(points))


def _lines(scaling: Scaling, width: int) -> list[str]:
    names = [f"{value:,.10g}" for value, _ in scaling.points]
    widest = max(map(len, [scaling.key, *names]))
    most = max(bits for _, bits in scaling.points)
    room = min(LONGEST_BAR, width - widest - 12)
    lines = ["bits per byte", "", scaling.key.rjust(widest)]
    for name, (_, bits) in zip(names, scaling.points, strict=True):
        drawn = bar(bits / most, room) if room > 4 else ""
        lines.append(f"{name:>{widest}}  {bits:>7.3f}  {drawn}".rstrip())
    return lines


def _drawing(scaling: Scaling) -> Drawing:
    drawing = Drawing("Bits per byte by what was tried")
    first, last = (math.log(scaling.points[place][0]) for place in (0, -1))
    highest = max(bits for _, bits in scaling.points) * ROOM
    right, bottom = WIDTH - RIGHT, TOP + HEIGHT
    inner_left, inner_right = LEFT + 40, right - 60

    def placed(point: tuple[float, float]) -> tuple[float, float]:
        along = (math.log(point[0]) - first) / ((last - first) or 1)
        return inner_left + (inner_right - inner_left) * along, bottom - HEIGHT * point[1] / highest

    drawing.text(MARGIN, MARGIN + 8, "bits per byte", "soft", size=12)
    for value in range(math.floor(highest) + 1):
        y = bottom - HEIGHT * value / highest
        drawing.path([(LEFT, y), (right, y)], "line")
        drawing.text(LEFT - 8, y + 4, str(value), "soft", "end", 12)
    drawing.path([placed(point) for point in scaling.points], "first", 2)
    for point in scaling.points:
        x, y = placed(point)
        drawing.dot(x, y, "first", 4.5)
        drawing.text(x, y - 12, f"{point[1]:.3f}", "ink", "middle", bold=True)
        drawing.text(x, bottom + 20, f"{point[0]:,.10g}", "soft", "middle", 12)
    drawing.text(right, bottom + 42, scaling.key, "soft", "end", 12)
    return drawing
