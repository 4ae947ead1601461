"""The command line of `tohum report --html`: a path, and key=value on top of conf/report.yaml."""

import re
from pathlib import Path

import yaml

from tohum.commands.arguments import key_values
from tohum.commands.report.config import ReportPage
from tohum.config.sections import read_section
from tohum.errors import UserError

OVERRIDE = re.compile(r"\w+=[^/\\.]*")  # rather than the name of a file


def read_page_options(
    html: str | None, overrides: list[str], path: Path, default: Path
) -> tuple[Path, ReportPage] | None:
    """Returns where the page goes and what it shows, or None if no page is asked for.

    Args:
        html: the argument of --html; `--html files=5` names no file, but an override.
        overrides: each key=value.
        path: conf/report.yaml.
        default: where the page goes if no file is named.

    Raises:
        UserError: an override is not key=value, its key or value is not allowed, it has no meaning
            without --html, or the page's path is that of a folder.
    """
    if html is None:
        if overrides:
            raise UserError(
                f"'{overrides[0]}' has a meaning for the page only: tohum report --html "
                f"{' '.join(overrides)}"
            )
        return None
    if OVERRIDE.fullmatch(html):  # a mistyped key is refused below
        html, overrides = str(default), [html, *overrides]
    target = Path(html)
    if target.is_dir():
        raise UserError(f"{target} is a folder, expected a file, such as {target / default.name}.")
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    values.update(key_values(overrides, "tohum report --html files=5"))
    return target, read_section("report", ReportPage, values)
