"""dvc.yaml against the imports: a stage lists the code that its bytes depend on, all of it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from stages.compose.checking import SECTIONS
from tests.conftest import PROJECT
from tests.test_repository import stages
from tohum.dependencies import PACKAGES, code_files

# Code that every stage uses and that decides none of its bytes.
DECIDES_NOTHING = (
    "stages/__init__.py",  # a docstring, and whether there are packages at all
    "tohum/__init__.py",
    "tohum/virtual_environment.py",
    "tohum/errors.py",  # the exception for users
    "tohum/process.py",  # logs, exit codes, ending with the parent
    "tohum/streams.py",  # how standard output and input behave
    "tohum/cluster/__init__.py",  # where a stage's tasks run
    "tohum/cluster/local_workers.py",
    "tohum/cluster/node.py",
    "tohum/cluster/ray_cluster.py",
    "tohum/cluster/ray_tasks.py",
    "tohum/cluster/slurm_jobs.py",
    "tohum/progress.py",  # progress bars
    "tohum/shortages.py",  # messages
    "tohum/translation.py",
    "tohum/project.py",  # which folder the project is
    "tohum/files.py",  # writes what it is given
    "tohum/marks.py",  # checks what was written
    "tohum/workdir.py",  # where unfinished work lies
    "tohum/foresight.py",  # refuses, or says how long it takes
    "tohum/dvc_lock.py",  # reads what DVC recorded, for messages
    "tohum/dependencies.py",  # the reader of dvc.yaml itself
    "tohum/config/__init__.py",  # reads and checks the values; the values are params
    "tohum/config/loading.py",
    "tohum/config/runtime.py",
    "tohum/config/sections.py",
)


def imported(path: Path) -> Iterator[str]:
    """The names of this project's modules, and perhaps of things in them, that a file imports
    anywhere, those for the type checker left out.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and ast.unparse(branch.test) == "TYPE_CHECKING"
        for node in ast.walk(branch)
    }
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def module_file(name: str) -> Path | None:
    if name.partition(".")[0] not in PACKAGES:
        return None
    place = PROJECT / name.replace(".", "/")
    found = [place.with_suffix(".py"), place / "__init__.py"]
    return next(filter(Path.is_file, found), None)


def closure(*modules: str) -> set[Path]:
    """The files that importing some modules may execute, in this call or a later one."""
    found: set[Path] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        waiting += [name.rpartition(".")[0]] if "." in name else []  # a package runs first
        path = module_file(name)
        if path is not None and path not in found:
            found.add(path)
            waiting += imported(path)
    return found


def closure_of_stage(name: str) -> set[Path]:
    sections = [place.partition(":")[0] for place in SECTIONS.values()]
    return closure(f"stages.{name}.__main__", *(sections if name == "compose" else []))


@pytest.mark.parametrize("name", stages())
def test_a_stage_lists_all_code_that_it_imports(name: str) -> None:
    allowed = {PROJECT / path for path in DECIDES_NOTHING}
    missing = closure_of_stage(name) - set(code_files(name)) - allowed
    others = {
        path for path in missing if path.name != "__init__.py" or path.read_text().count("\n") > 3
    }
    assert {path.relative_to(PROJECT).as_posix() for path in others} == set()


@pytest.mark.parametrize("name", stages())
def test_a_stage_lists_no_code_that_it_does_not_import(name: str) -> None:
    used = closure_of_stage(name)
    for dependency in stages()[name].get("deps", []):
        if dependency.partition("/")[0] in PACKAGES:
            place = PROJECT / dependency
            assert any(path.is_relative_to(place) for path in used), dependency


@pytest.mark.parametrize("name", stages())
def test_every_stage_lists_the_contracts_between_stages(name: str) -> None:
    assert "tohum/formats" in stages()[name]["deps"]


def test_what_decides_nothing_is_there() -> None:
    for path in DECIDES_NOTHING:
        assert (PROJECT / path).is_file(), path


@pytest.mark.parametrize("name", stages())
def test_a_stage_imports_no_other_stage(name: str) -> None:
    for path in closure(f"stages.{name}.__main__"):
        place = path.relative_to(PROJECT)
        assert place.parts[0] == "tohum" or place.parts[1] in (name, "__init__.py"), place


def test_no_module_imports_one_that_imports_it() -> None:
    """Whether directly or by way of others; the door of a package, its __init__.py, aside."""
    modules = [path for package in PACKAGES for path in (PROJECT / package).rglob("*.py")]
    imports = {
        path: {
            file
            for file in map(module_file, imported(path))
            if file is not None and file.name != "__init__.py"
        }
        for path in modules
    }
    ends = set(modules)
    while ends:  # takes away the modules that import none of those that are left
        ends = {path for path in imports if not imports[path] & imports.keys()}
        imports = {path: found for path, found in imports.items() if path not in ends}
    assert {str(path.relative_to(PROJECT)) for path in imports} == set()


def test_a_library_imports_no_stage_and_no_command() -> None:
    for path in sorted((PROJECT / "tohum").rglob("*.py")):
        place = path.relative_to(PROJECT / "tohum")
        if place.parts[0] in ("commands", "__main__.py", "cli.py"):
            continue
        for name in imported(path):
            assert not name.startswith(("stages", "tohum.commands")), f"{place} imports {name}"


def test_formats_import_no_library() -> None:
    allowed = {"tohum.formats", "tohum.errors", "tohum.files", "tohum.kernels.arrays"}
    for path in sorted((PROJECT / "tohum/formats").glob("*.py")):
        for name in imported(path):
            if name.startswith("tohum."):
                assert any(name.startswith(each) for each in allowed), f"{path.name}: {name}"


def test_every_module_that_is_imported_is_there() -> None:
    """mypy passes over modules that it doesn't find, so that it needs no stubs of libraries."""
    paths = [
        path
        for name in (*PACKAGES, "tests", "benchmarks")
        for path in (PROJECT / name).rglob("*.py")
    ]
    for path in sorted(paths):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            module = node.module if isinstance(node, ast.ImportFrom) else None
            if module and module.partition(".")[0] in (*PACKAGES, "tests", "benchmarks"):
                place = PROJECT / module.replace(".", "/")
                there = place.with_suffix(".py").is_file() or (place / "__init__.py").is_file()
                assert there, f"{path.relative_to(PROJECT)} imports {module}"
