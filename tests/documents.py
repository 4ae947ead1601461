"""The list of modules in docs/architecture.md, from the docstrings.

Run `python -m tests.documents` to write it anew; tests/test_documents.py checks that it is current.
"""

import ast
import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

PROJECT = Path(__file__).parent.parent
MAP = PROJECT / "docs/architecture.md"
BEGIN, END = "<!-- modules -->\n", "<!-- end of modules -->"


def module_lines() -> Iterator[str]:
    """A heading for each folder of stages/ and tohum/, and a line for each module in it."""
    paths = [path for name in ("stages", "tohum") for path in (PROJECT / name).rglob("*.py")]
    modules = sorted((path.parent.relative_to(PROJECT), path.name) for path in paths)
    for folder, group in groupby(modules, key=lambda module: module[0]):
        yield f"\n### {folder.as_posix()}\n\n"
        for _, name in group:
            if name == "__init__.py":
                yield f"{summary(PROJECT / folder / name)}\n\n"
            elif name != "__main__.py":
                yield f"- `{name}`: {summary(PROJECT / folder / name)}\n"


def summary(path: Path) -> str:
    """The first sentence of a module's docstring, on one line."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    paragraph = " ".join(docstring.partition("\n\n")[0].split())
    sentence = re.match(r".+?\.(?= |$)", paragraph)
    return sentence[0] if sentence else paragraph


def written() -> str:
    """docs/architecture.md with the list as it should be."""
    text = MAP.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    return before + BEGIN + "".join(module_lines()) + "\n" + END + rest.split(END)[1]


if __name__ == "__main__":
    MAP.write_text(written(), encoding="utf-8")
