"""The charts of the page: Vega-Lite, drawn as SVG by vl-convert, without a network or a browser.

A chart is drawn for each language, because of its words and numbers, and for a wide and a narrow
column, because letters must not shrink with it. Its colours are custom properties of the page's
style sheet, so it follows light and dark. https://vega.github.io/vega-lite/docs/
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

from markupsafe import Markup

from tohum.commands.report.wording import LANGUAGES, said
from tohum.errors import UserError

VERSION = "6.4"  # of Vega-Lite
WIDTHS = {"wide": 620, "narrow": 262}  # pixels between the axes
# https://github.com/d3/d3-format#formatLocale; Turkish is not among those that come with it
LOCALES: dict[str, Any] = {
    "en": "en-US",
    "tr": {"decimal": ",", "thousands": ".", "grouping": [3], "currency": ["", " TL"]},
}
CONFIG: dict[str, Any] = {
    "aria": False,  # the figure around it has a label
    "background": None,
    "font": "var(--sans)",
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--quiet)",
        "labelFontSize": 12,
        "labelPadding": 6,
        "titleColor": "var(--quiet)",
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "gridColor": "var(--line)",
        "domain": False,
        "ticks": False,
    },
    "legend": {
        "orient": "top",
        "direction": "horizontal",
        "title": None,
        "labelColor": "var(--text)",
        "labelFontSize": 12,
        "labelLimit": 400,
        "symbolStrokeWidth": 3,
        "offset": 8,
    },
}
Row = dict[str, Any]
Spec = dict[str, Any]


def check_charts() -> None:
    """Checks that what draws the charts is installed.

    Raises:
        UserError: it is not.
    """
    try:
        import vl_convert  # noqa: F401
    except ImportError:
        raise UserError(
            "`tohum report --html` draws its charts with vl-convert-python, which is not "
            "installed. It is an extra: python -m pip install -c constraints.txt -e '.[report]'"
        ) from None


def drawn(label: str, spec: Callable[[str, bool], Spec]) -> Markup:
    """Returns a chart in all languages and widths, of which the page shows one.

    Args:
        label: the name of the text that says what the chart shows.
        spec: returns the chart in a language, for the narrow column or not.
    """
    import vl_convert

    parts = []
    for language in LANGUAGES:
        for place, width in WIDTHS.items():
            whole = {"width": width, "config": CONFIG, **spec(language, place == "narrow")}
            svg = vl_convert.vegalite_to_svg(
                whole, vl_version=VERSION, format_locale=LOCALES[language]
            )
            shape = Markup('<div class="chart {}" lang="{}" role="img" aria-label="{}">{}</div>')
            parts.append(shape.format(place, language, said(label, language), _trimmed(svg)))
    return Markup("\n").join(parts)


def _trimmed(svg: str) -> Markup:
    """Returns an SVG for the inside of a page: it scales, its font is the page's, and its parts
    have no roles of their own.
    """
    svg = re.sub(r'(<svg[^>]*?) width="[\d.]+" height="[\d.]+"', r"\1", svg, count=1)
    return Markup(re.sub(r' (?:font-family|xmlns:xlink|role|aria-[a-z]+)="[^"]*"', "", svg))


def curve_chart(
    training: Iterable[tuple[float, float]], validation: list[tuple[float, float]]
) -> Markup:
    """Returns the curves of (step, bits per byte) on the training batches and validation files."""

    def spec(language: str, narrow: bool) -> Spec:
        names = [said("curve_training", language), said("curve_validation", language)]
        rows = [{"step": x, "value": y, "of": names[0]} for x, y in training]
        rows += [{"step": x, "value": y, "of": names[1]} for x, y in validation]
        named = _coloured("of", names, ["var(--second)", "var(--accent)"])
        if narrow:
            named["legend"] = {"columns": 1, "direction": "vertical"}
        across = _axis("step", said("step", language), ",.0f", ticks=4 if narrow else 8, grid=False)
        up = _axis("value", said("bits_per_byte", language), ".2~f", ticks=5)
        up["scale"] = {"zero": False, "nice": True}
        line: Spec = {"mark": {"type": "line", "strokeWidth": 2}, "encoding": {}}
        dots: Spec = {
            "transform": [{"filter": {"field": "of", "equal": names[1]}}],
            "mark": {"type": "point", "filled": True, "size": 55, "opacity": 1},
            "encoding": {},
        }
        return {
            "height": 240,
            "data": {"values": rows},
            "encoding": {"x": across, "y": up, "color": named},
            "layer": [line, dots],
        }

    return drawn("curves_label", spec)


def vocabulary_chart(points: list[tuple[float, float]]) -> Markup:
    """Returns the bytes per token by the size of the vocabulary."""

    def spec(language: str, narrow: bool) -> Spec:
        return {
            "height": 170,
            "data": {"values": [{"size": x, "value": y} for x, y in points]},
            "mark": {"type": "area", "line": {"color": "var(--accent)"}, "color": "var(--soft)"},
            "encoding": {
                "x": {
                    **_axis("size", said("vocabulary_size", language), ",.0f", 4, grid=False),
                    "scale": {"zero": False, "nice": False},
                },
                "y": _axis("value", said("bytes_per_token", language), ".1~f", 4),
            },
        }

    return drawn("vocabulary_label", spec)


def file_chart(files: list[Row], overall: float) -> Markup:
    """Returns a dot for each validation file, by its `bytes` and `bits_per_byte`."""

    def spec(language: str, narrow: bool) -> Spec:
        sizes = {
            **_axis("bytes", said("file_size", language), "~s", 4, grid=False),
            "scale": {"type": "log", "nice": False, "padding": 12},
        }
        value = {
            **_axis("bits_per_byte", said("bits_per_byte", language), ".2~f", 5),
            "scale": {"zero": False},
        }
        dots = {
            "mark": {"type": "circle", "size": 64, "color": "var(--accent)", "opacity": 0.6},
            "encoding": {"x": sizes, "y": value},
        }
        rule = {
            "data": {"values": [{"overall": overall}]},
            "mark": {"type": "rule", "color": "var(--second)", "strokeDash": [4, 4]},
            "encoding": {"y": {"field": "overall", "type": "quantitative"}},
        }
        return {"height": 230, "data": {"values": files}, "layer": [dots, rule]}

    return drawn("files_label", spec)


def compression_chart(values: list[tuple[str, float, str]]) -> Markup:
    """Returns a bar for each of (name, bits per byte, kind), in order; the kind is the name of a
    text, and of a colour of the page.
    """

    def spec(language: str, narrow: bool) -> Spec:
        rows = [
            {"name": said(name, language), "value": value, "kind": said(kind, language)}
            for name, value, kind in values
        ]
        kinds = list(dict.fromkeys(kind for _, _, kind in values))
        colours = [f"var(--{kind.replace('_', '-')})" for kind in kinds]
        named = _coloured("kind", [said(kind, language) for kind in kinds], colours)
        if narrow:
            named["legend"] = {"columns": 1, "direction": "vertical"}
        up = {"field": "name", "type": "nominal", "sort": None, "axis": _names(narrow)}
        across = {"field": "value", "type": "quantitative", "axis": None}
        text = {"align": "left", "dx": 6, "color": "var(--text)", "fontSize": 12}
        return {
            "height": {"step": 30},
            "width": WIDTHS["narrow"] - 110 if narrow else WIDTHS["wide"] - 110,
            "data": {"values": rows},
            "encoding": {"y": up, "x": across},
            "layer": [
                {
                    "mark": {"type": "bar", "cornerRadiusEnd": 3, "height": 18},
                    "encoding": {"color": named},
                },
                {
                    "mark": {"type": "text", **text},
                    "encoding": {
                        "text": {"field": "value", "type": "quantitative", "format": ".3f"}
                    },
                },
            ],
        }

    return drawn("compression_label", spec)


def completion_chart(values: list[tuple[str, str, float]]) -> Markup:
    """Returns groups of bars for (measure, suggester, share); both are names of texts."""

    def spec(language: str, narrow: bool) -> Spec:
        rows = [
            {"measure": said(measure, language), "by": said(by, language), "value": value}
            for measure, by, value in values
        ]
        suggesters = list(dict.fromkeys(said(by, language) for _, by, _ in values))
        shades = ("var(--accent)", "var(--second)", "var(--third)", "var(--strong-line)")
        colours = list(shades[: len(suggesters)])
        named = _coloured("by", suggesters, colours)
        if narrow:
            named["legend"] = {"columns": 1, "direction": "vertical"}
        header = {
            "labelAngle": 0,
            "labelAlign": "left",
            "labelAnchor": "start",
            "labelOrient": "top",
            "labelColor": "var(--text)",
            "labelFontSize": 13,
            "labelPadding": -2,
            "title": None,
        }
        measures = list(dict.fromkeys(row["measure"] for row in rows))
        shown = "," if language == "tr" else "."
        label = "'%' + " if language == "tr" else ""
        unit = "" if language == "tr" else " + '%'"
        text = f"{label}replace(format(datum.value * 100, '.1f'), '.', '{shown}'){unit}"
        return {
            "data": {"values": rows},
            "transform": [{"calculate": text, "as": "label"}],
            "spacing": 18,
            "resolve": {"scale": {"y": "independent"}},
            "facet": {
                "row": {"field": "measure", "sort": measures, "type": "nominal", "header": header}
            },
            "spec": {
                "width": (WIDTHS["narrow"] if narrow else WIDTHS["wide"]) - 30,
                "height": {"step": 17},
                "encoding": {
                    "y": {"field": "by", "type": "nominal", "sort": suggesters, "axis": None},
                    "x": {
                        "field": "value",
                        "type": "quantitative",
                        "axis": None,
                        "scale": {"domain": [0, max(value for _, _, value in values) or 1]},
                    },
                },
                "layer": [
                    {
                        "mark": {"type": "bar", "cornerRadiusEnd": 3, "height": 12},
                        "encoding": {"color": named},
                    },
                    {
                        "mark": {
                            "type": "text",
                            "align": "left",
                            "dx": 6,
                            "color": "var(--text)",
                            "fontSize": 12,
                        },
                        "encoding": {"text": {"field": "label"}},
                    },
                ],
            },
        }

    return drawn("completion_label", spec)


def _axis(field: str, title: str, format: str, ticks: int, grid: bool = True) -> Spec:
    axis = {"title": title, "format": format, "tickCount": ticks, "grid": grid}
    return {"field": field, "type": "quantitative", "axis": axis}


def _names(narrow: bool) -> Spec:
    return {"title": None, "labelColor": "var(--text)", "labelFontSize": 12 if narrow else 13}


def _coloured(field: str, names: list[str], colours: list[str]) -> Spec:
    scale = {"domain": names, "range": colours}
    return {"field": field, "type": "nominal", "scale": scale, "legend": {}}
