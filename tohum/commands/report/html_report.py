"""The page of `tohum report --html`: one file that needs nothing else.

Jinja escapes every text that comes from data, and the page's own policy lets it load nothing and
run only the script that it has.
"""

import base64
import hashlib
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from tohum.commands.report import charts, wording
from tohum.commands.report.config import ReportPage
from tohum.commands.report.continuations import only_conversations, written_texts
from tohum.commands.report.figures import MEASURES, NEED_NO_TEXT, SUGGESTERS, behind_measures
from tohum.commands.report.ingredients import read_ingredients
from tohum.commands.report.readable_tokens import LEVELS
from tohum.commands.report.recipe import read_recipe
from tohum.commands.report.summary import read_metrics
from tohum.commands.report.surprise import (
    DOTS,
    best_and_worst,
    load_network,
    read_held_out,
    scored_passage,
)
from tohum.commands.report.vocabulary_use import vocabulary_curve, vocabulary_use
from tohum.commands.show.training_curves import read_curves
from tohum.errors import UserError
from tohum.files import atomic_write
from tohum.formats.tokens import read_split
from tohum.inference import load_language_model
from tohum.translation import language

PAGE = Path(__file__).parent / "page"


def write_html(root: Path, path: Path, options: ReportPage) -> None:
    """Writes the page of a project to a file.

    Raises:
        UserError: the pipeline has not run to its end.
    """
    page = html_page(root, options)
    with atomic_write(path, "w") as file:
        file.write(page)


def html_page(root: Path, options: ReportPage) -> str:
    """Returns the page of a project.

    Raises:
        UserError: the pipeline has not run to its end.
    """
    model = load_language_model(root / "models" / "lm")
    evaluated = read_metrics(root, "evaluate")
    train, held_out = (read_split(root / "data" / "tokens", split) for split in ("train", "val"))
    script = (PAGE / "report.js").read_text(encoding="utf-8")
    values: dict[str, Any] = {
        "script": Markup(script),
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "style": Markup((PAGE / "report.css").read_text(encoding="utf-8")),
        "language": language(),
        "levels": LEVELS,
        "talks": only_conversations(held_out),
        "evaluated": evaluated,
        "ingredients": read_ingredients(root, options.examples),
        "tokenizer": read_metrics(root, "tokenizer"),
        "encoded": read_metrics(root, "encode"),
        "use": vocabulary_use(
            model.vocabulary, train, held_out, options.entries, options.excerpt_tokens
        ),
        "texts": written_texts(model, root / "conf" / "prompts.txt", held_out, options.new_tokens),
        "card": _card(root / "models" / "lm" / "README.md"),
        "recipe": read_recipe(root),
        "behind": behind_measures(evaluated.get("completion") or {}),
        "measures": len(MEASURES),
        **_curves(root),
        **_files(root, options, model.vocabulary, held_out, evaluated),
        **_drawn_figures(root, evaluated),
    }
    return _environment().get_template("report.html").render(values)


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(PAGE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        say=wording.say,
        n=wording.Number,
        share=wording.share,
        size=wording.size,
        word=wording.word,
    )
    return environment


def _curves(root: Path) -> dict[str, Any]:
    """Returns the curves of the training and their chart; None for a run that logged no point."""
    try:
        curves = read_curves(root / "plots" / "train.csv")
    except UserError:
        return {"curves": None, "curve_chart": None}
    return {
        "curves": curves,
        "curve_chart": charts.curve_chart(curves.training, curves.validation),
    }


def _files(
    root: Path,
    options: ReportPage,
    vocabulary: list[bytes],
    held_out: Any,
    evaluated: dict[str, Any],
) -> dict[str, Any]:
    """Returns the held-out files, those that are shown, and their chart."""
    files = read_held_out(root / "models" / "lm" / "validation.jsonl")
    best, worst = best_and_worst(files, options.files)
    network = load_network(root) if best else None
    dots = files[:: max(1, len(files) // DOTS)]
    rows = [{"bytes": file.bytes, "bits_per_byte": file.bits_per_byte} for file in dots]
    return {
        "files": files,
        "file_chart": charts.file_chart(rows, evaluated["bits_per_byte"]) if len(files) > 1 else "",
        "scored": network is not None,
        "passages": {
            name: [
                scored_passage(network, held_out, vocabulary, file, options.excerpt_tokens)
                if network is not None
                else None
                for file in listed
            ]
            for name, listed in (("best_files", best), ("worst_files", worst))
        },
        "listed": {"best_files": best, "worst_files": worst},
    }


def _drawn_figures(root: Path, evaluated: dict[str, Any]) -> dict[str, Any]:
    """Returns the charts of the figures."""
    bars = [("this_model", evaluated["bits_per_byte"], "accent")]
    bars += [
        (name, value, "strong_line" if name in NEED_NO_TEXT else "second")
        for name, value in evaluated["baselines"].items()
    ]
    completion = evaluated.get("completion")
    shares = [
        (measure, by, completion[by][measure])
        for measure in MEASURES
        for by in SUGGESTERS
        if completion and by in completion and measure in completion[by]
    ]
    points = vocabulary_curve(root / "plots" / "tokenizer.csv")
    return {
        "compression_chart": charts.compression_chart(sorted(bars, key=lambda bar: bar[1])),
        "not_beaten": [name for name, value, _ in bars[1:] if value <= evaluated["bits_per_byte"]],
        "completion_chart": charts.completion_chart(shares) if shares else None,
        "vocabulary_chart": charts.vocabulary_chart(points) if len(points) > 1 else None,
    }


def _card(path: Path) -> Markup:
    """Returns the card as HTML, without its front matter, its headings below those of the page."""
    from markdown_it import MarkdownIt

    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    if text.startswith("---\n"):
        text = text.partition("\n---\n")[2]
    reader = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["image", "link"])
    tokens = reader.parse(text)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + 2)}"
    html = str(reader.renderer.render(tokens, reader.options, {}))
    scrolled = html.replace("<table>", '<div class="scroll" tabindex="0"><table>')
    scrolled = scrolled.replace("</table>", "</table></div>").replace("<pre>", '<pre tabindex="0">')
    return Markup(scrolled)
