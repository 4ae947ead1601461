"""Show how good the model is, what made it, what was reproduced.

    tohum report                          figures, completions and the reproduction, as text
    tohum report --html                   a page to look at: outputs/report.html
    tohum report --html my.html files=5   ... in another file, with five best and worst files

The text says which stages reproduced the committed bytes, and what to commit. The page is one file
in English and Turkish that loads nothing: what went in, the tokenizer, the curves, the held-out
files token by token, what the model writes, and what reproduces it. Both read metrics/, plots/,
data/, models/ and dvc.lock, here and at HEAD. Run it at any time after `dvc repro`.
"""

import argparse
from pathlib import Path

from tohum.commands.arguments import add_keys

OPTIONS = Path("conf/report.yaml")
DEFAULT = Path("outputs/report.html")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds --html and the keys of conf/report.yaml, which are for the page."""
    parser.usage = "tohum report [-h] [--html [PATH] [KEY=VALUE ...]]"
    parser.add_argument(
        "--html", nargs="?", const=str(DEFAULT), metavar="PATH",
        help=f"write the page to a file ({DEFAULT.as_posix()} if none is named)",
    )  # fmt: skip
    add_keys(parser, OPTIONS, ())


def run(arguments: argparse.Namespace) -> None:
    """Prints the figures, sample completions and the reproduction, or writes the page."""
    from tohum.commands.printing import tell
    from tohum.commands.report.page_options import read_page_options

    wanted = read_page_options(arguments.html, arguments.overrides, OPTIONS, DEFAULT)
    if wanted is not None:
        from tohum.commands.report.charts import check_charts

        check_charts()
        from tohum.commands.report.html_report import write_html

        write_html(Path(), *wanted)
        tell(f"{wanted[0].resolve()}\nOpen it in a browser; it needs no network.")
        return
    from tohum.commands.report.committing import proposal
    from tohum.commands.report.reproduction import reproduction
    from tohum.commands.report.samples import samples
    from tohum.commands.report.summary import summary

    tell(summary(Path()))
    print(samples(Path()))
    tell(reproduction(Path()))
    to_do = proposal(Path())
    if to_do:
        tell(to_do)
