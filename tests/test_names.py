"""One name, one thing: no two classes or modules of the tree share a name."""

import ast
from collections import defaultdict
from pathlib import Path

from tests.conftest import PROJECT
from tohum.dependencies import PACKAGES

# Each of these is one thing in many places, or a source that is named as its preset.
REPEATED = {"__init__.py", "__main__.py", "config.py", "files.py"}
MODULES = sorted(path for name in PACKAGES for path in (PROJECT / name).rglob("*.py"))


def shared(places: dict[str, list[Path]]) -> dict[str, list[str]]:
    return {
        name: [path.relative_to(PROJECT).as_posix() for path in paths]
        for name, paths in places.items()
        if len(paths) > 1
    }


def test_no_two_classes_share_a_name() -> None:
    places: dict[str, list[Path]] = defaultdict(list)
    for path in MODULES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(path)
    assert shared(places) == {}


def test_no_two_modules_share_a_name() -> None:
    places: dict[str, list[Path]] = defaultdict(list)
    for path in MODULES:
        if path.name not in REPEATED:
            places[path.name].append(path)
    assert shared(places) == {}
