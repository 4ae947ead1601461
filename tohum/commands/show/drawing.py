"""A drawing of shapes and words, and its SVG: one file that needs nothing else.

Its colours follow the reader's choice of light or dark. A program without style sheets' media
queries draws it light. https://www.w3.org/TR/SVG11/ https://www.w3.org/TR/mediaqueries-5/
"""

from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from tohum.commands.show.lettering import columns
from tohum.translation import translated_label

WIDTH = 720  # the column of text on a page of documents is about as wide
MARGIN = 20
COLUMN_SHARE = 0.602  # width of a monospaced letter, as a share of the font's size
CHIPS = 6  # colours that tokens take in turn
SANS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
MONO = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"

LIGHT = {
    "paper": "#ffffff", "panel": "#f4f6f8", "ink": "#1c2330", "soft": "#5c6675", "line": "#d5dae1",
    "first": "#1668c7", "second": "#c2570c", "third": "#2f7d4f", "pale": "#e3e7ec",
    "chip0": "#d6e6fb", "chip1": "#fde3cb", "chip2": "#d5efdc", "chip3": "#e9dcf7",
    "chip4": "#fbeeb8", "chip5": "#fadbe3",
}  # fmt: skip
DARK = {
    "paper": "#0f141b", "panel": "#19212b", "ink": "#e8ecf2", "soft": "#9aa5b4", "line": "#333e4b",
    "first": "#63a9f5", "second": "#f2924c", "third": "#6cc48d", "pale": "#2a3441",
    "chip0": "#1d4270", "chip1": "#6b3a14", "chip2": "#1e5434", "chip3": "#4b3271",
    "chip4": "#5b4c0c", "chip5": "#6b2c41",
}  # fmt: skip


class Drawing:
    """Shapes, added one after another, and how high they reach."""

    def __init__(self, title: str, width: float = WIDTH) -> None:
        self.title, self.width, self.height = title, width, 0.0
        self._shapes: list[str] = []

    def text(
        self,
        x: float,
        y: float,
        text: str,
        colour: str = "ink",
        anchor: str = "start",
        size: float = 13,
        bold: bool = False,
    ) -> None:
        """Adds words, in the user's language; y is their base line."""
        weight = ' font-weight="600"' if bold else ""
        self._add_text(x, y, translated_label(text), colour, anchor, size, weight)

    def letters(
        self,
        x: float,
        y: float,
        text: str,
        colour: str = "ink",
        anchor: str = "start",
        size: float = 14,
    ) -> None:
        """Adds a token's letters, as wide as `letters_width` says whatever the reader's font."""
        fixed = (
            f' textLength="{letters_width(text, size):.1f}" lengthAdjust="spacingAndGlyphs"'
            if len(text) > 1
            else ""
        )
        self._add_text(x, y, text, f"mono {colour}", anchor, size, fixed)

    def box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        colour: str,
        opacity: float = 1,
        radius: float = 4,
        edge: str = "",
        tip: str = "",
    ) -> None:
        """Adds a rectangle; `edge` colours its outline, `tip` is what it says under a mouse."""
        self._reach(y + height)
        drawn = (
            f'<rect class="{colour}{f" edge-{edge}" if edge else ""}" x="{x:.1f}" y="{y:.1f}" '
            f'width="{width:.1f}" height="{height:.1f}" rx="{radius:g}"'
            + (f' fill-opacity="{opacity:.3f}"' if opacity < 1 else "")
        )
        self._shapes.append(f"{drawn}><title>{escape(tip)}</title></rect>" if tip else f"{drawn}/>")

    def path(
        self,
        points: Sequence[tuple[float, float]],
        colour: str,
        width: float = 1,
        dashes: str = "",
    ) -> None:
        """Adds a line through points."""
        self._reach(max(y for _, y in points))
        joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        dashed = f" stroke-dasharray={quoteattr(dashes)}" if dashes else ""
        self._shapes.append(
            f'<polyline class="edge-{colour}" fill="none" stroke-width="{width:g}"{dashed} '
            f'stroke-linejoin="round" stroke-linecap="round" points="{joined}"/>'
        )

    def dot(self, x: float, y: float, colour: str, radius: float = 4) -> None:
        """Adds a point."""
        self._reach(y + radius)
        self._shapes.append(f'<circle class="{colour}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}"/>')

    def arrow(self, x: float, top: float, bottom: float) -> None:
        """Adds an arrow that points down."""
        self.path([(x, top), (x, bottom)], "soft", 1.5)
        self.path([(x - 4, bottom - 5), (x, bottom), (x + 4, bottom - 5)], "soft", 1.5)

    def chip(self, x: float, y: float, text: str, colour: str, size: float = 14) -> float:
        """Adds a token in its box, 26 high, and returns the width of the box."""
        width = chip_width(text, size)
        self.box(x, y, width, 26, colour)
        self.letters(x + width / 2, y + 18, text, anchor="middle", size=size)
        return width

    def svg(self) -> str:
        """Returns the file's text."""
        width, height = self.width, self.height + MARGIN
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
            f'viewBox="0 0 {width:.0f} {height:.0f}" role="img" font-family="{SANS}">\n'
            f"<title>{escape(translated_label(self.title))}</title>\n"
            f"<style>\n.mono{{font-family:{MONO};white-space:pre}}\n{_rules(LIGHT)}"
            f"@media (prefers-color-scheme: dark){{\n{_rules(DARK)}}}\n</style>\n"
            '<rect class="paper" width="100%" height="100%" rx="8"/>\n'
            + "\n".join(self._shapes)
            + "\n</svg>\n"
        )

    def _add_text(
        self, x: float, y: float, text: str, names: str, anchor: str, size: float, more: str
    ) -> None:
        """Adds a text of the style sheet's classes `names`, with `more` attributes."""
        self._reach(y + size / 3)
        self._shapes.append(
            f'<text class="{names}" x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" '
            f'text-anchor="{anchor}"{more}>{escape(text)}</text>'
        )

    def _reach(self, y: float) -> None:
        self.height = max(self.height, y)


def letters_width(text: str, size: float = 14) -> float:
    """Returns the width of a text in the monospaced font."""
    return columns(text) * size * COLUMN_SHARE


def chip_width(text: str, size: float = 14) -> float:
    """Returns the width of a token's box."""
    return letters_width(text, size) + 12


def _rules(colours: dict[str, str]) -> str:
    return "".join(
        f".{name}{{fill:{value}}}.edge-{name}{{stroke:{value}}}\n"
        for name, value in colours.items()
    )
