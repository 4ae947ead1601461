"""Draws a sweep as SVG: a heat map for two swept keys, bars for one; a panel for each measure.

Written by hand: a plotting library would be a large dependency for a few rectangles.
https://www.w3.org/TR/SVG11/
"""

from xml.sax.saxutils import escape

from tohum.commands.sweep.points import Outcome

CELL_WIDTH, CELL_HEIGHT = 96, 40
BAR_LENGTH, BAR_HEIGHT = 320, 28
LEFT, TOP, GAP = 130, 74, 30
WORST, BEST = (237, 248, 251), (0, 109, 44)  # ColorBrewer's BuGn, https://colorbrewer2.org
LESS_IS_BETTER = ("bits_per_byte",)


def draw(keys: list[str], measures: list[str], outcomes: list[Outcome]) -> str | None:
    """Returns the picture, or None unless one or two keys are swept.

    The first key runs from left to right, the second downwards, both in the order of the points.
    """
    if len(keys) not in (1, 2):
        return None
    panels = []
    right = bottom = 0
    for measure in measures:
        panel = _heat_map if len(keys) == 2 else _bars
        width, height, shapes = panel(keys, measure, outcomes)
        title = _text(LEFT, 24, _title(measure), "start", "bold")
        panels.append(f'<g transform="translate({right},0)">{title}{shapes}</g>')
        right, bottom = right + width + GAP, max(bottom, height)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{right}" height="{bottom + GAP}" '
        f'viewBox="0 0 {right} {bottom + GAP}" font-family="sans-serif" font-size="13">\n'
        f'<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(panels) + "\n</svg>\n"
    )


def _title(measure: str) -> str:
    better = "less" if measure in LESS_IS_BETTER else "more"
    return f"{measure.replace('_', ' ').capitalize()} ({better} is better)"


def _heat_map(keys: list[str], measure: str, outcomes: list[Outcome]) -> tuple[int, int, str]:
    """Returns the width, the height and the shapes."""
    columns = list(dict.fromkeys(outcome.swept.get(keys[0], "") for outcome in outcomes))
    rows = list(dict.fromkeys(outcome.swept.get(keys[1], "") for outcome in outcomes))
    rows = sorted(rows, key=lambda row: (len(row), row)) if all(map(str.isdigit, rows)) else rows
    shares = _shares(measure, outcomes)
    shapes = [_text(LEFT + len(columns) * CELL_WIDTH // 2, TOP - 30, keys[0])]
    shapes += [
        _text(LEFT + column * CELL_WIDTH + CELL_WIDTH // 2, TOP - 10, value)
        for column, value in enumerate(columns)
    ]
    shapes.append(_text(LEFT - 10, TOP - 10, keys[1].rpartition(".")[2], "end"))
    shapes += [
        _text(LEFT - 10, TOP + row * CELL_HEIGHT + CELL_HEIGHT // 2 + 5, value, "end")
        for row, value in enumerate(rows)
    ]
    for outcome in outcomes:
        x = LEFT + columns.index(outcome.swept.get(keys[0], "")) * CELL_WIDTH
        y = TOP + rows.index(outcome.swept.get(keys[1], "")) * CELL_HEIGHT
        shapes.append(_cell(x, y, CELL_WIDTH, CELL_HEIGHT, outcome, shares))
        label = _label(outcome, measure)
        dark = shares.get(outcome.name, 0) > 0.6
        shapes.append(
            _text(
                x + CELL_WIDTH // 2,
                y + CELL_HEIGHT // 2 + 5,
                label,
                fill="white" if dark else "black",
            )
        )
    return LEFT + len(columns) * CELL_WIDTH, TOP + len(rows) * CELL_HEIGHT, "".join(shapes)


def _bars(keys: list[str], measure: str, outcomes: list[Outcome]) -> tuple[int, int, str]:
    """Returns the width, the height and the shapes; a bar's length starts at 0."""
    shares = _shares(measure, outcomes)
    longest = max((outcome.value(measure) or 0 for outcome in outcomes), default=0) or 1
    shapes = [_text(LEFT - 10, TOP - 10, keys[0].rpartition(".")[2], "end")]
    for row, outcome in enumerate(outcomes):
        y = TOP + row * (BAR_HEIGHT + 6)
        length = round(BAR_LENGTH * (outcome.value(measure) or 0) / longest)
        shapes.append(_text(LEFT - 10, y + BAR_HEIGHT // 2 + 5, outcome.swept[keys[0]], "end"))
        shapes.append(_cell(LEFT, y, length, BAR_HEIGHT, outcome, shares))
        shapes.append(
            _text(LEFT + length + 8, y + BAR_HEIGHT // 2 + 5, _label(outcome, measure), "start")
        )
    return LEFT + BAR_LENGTH + 70, TOP + len(outcomes) * (BAR_HEIGHT + 6), "".join(shapes)


def _shares(measure: str, outcomes: list[Outcome]) -> dict[str, float]:
    """Returns how good each point is, from 0 (worst) to 1, by name."""
    values = {
        outcome.name: value for outcome in outcomes if (value := outcome.value(measure)) is not None
    }
    low, high = min(values.values(), default=0), max(values.values(), default=0)
    shares = {name: (value - low) / ((high - low) or 1) for name, value in values.items()}
    return (
        {name: 1 - share for name, share in shares.items()} if measure in LESS_IS_BETTER else shares
    )


def _label(outcome: Outcome, measure: str) -> str:
    value = outcome.value(measure)
    return "failed" if value is None else f"{value:.3f}"


def _cell(
    x: int, y: int, width: int, height: int, outcome: Outcome, shares: dict[str, float]
) -> str:
    share = shares.get(outcome.name)
    fill = "#dddddd"
    if share is not None:
        mixed = (round(low + share * (high - low)) for low, high in zip(WORST, BEST, strict=True))
        fill = "#" + "".join(f"{part:02x}" for part in mixed)
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="{fill}" stroke="white">'
        f"<title>{escape(outcome.name)}</title></rect>"
    )


def _text(
    x: int, y: int, text: str, anchor: str = "middle", weight: str = "normal", fill: str = "black"
) -> str:
    return (
        f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-weight="{weight}" fill="{fill}">'
        f"{escape(text)}</text>"
    )
