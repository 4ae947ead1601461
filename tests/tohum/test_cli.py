"""The one door: every command's help, what is refused, and what a shell completes."""

import importlib
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.conftest import PROJECT
from tohum.cli import COMMANDS, WITHOUT_PROJECT, main

SHARE = ("setup", "doctor", "push", "pull", "status", "verify", "list")
PARSERS = [(name,) for name in COMMANDS] + [("share", name) for name in SHARE]
HEAVY = {"dvc", "hydra", "numpy", "omegaconf", "pyarrow", "torch", "transformers", "yaml"}


def run(*arguments: str, cwd: Path = PROJECT) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "COLUMNS": "80"}
    return subprocess.run(
        [sys.executable, "-m", "tohum", *arguments],
        cwd=cwd, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("names", PARSERS, ids=" ".join)
def test_every_command_has_a_help(
    names: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*names, "--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: tohum {' '.join(names)} [-h]")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_help_has_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([name, "--help"])
    assert f"    tohum {name}" in capsys.readouterr().out.replace('eval "$(', "")


@pytest.mark.parametrize(
    ("name", "file", "left_out"),
    [
        ("generate", "generate", {"port"}),
        ("serve", "generate", {"prompt", "suffix", "chat"}),
        ("show", "show", set()),
    ],
)
def test_a_help_has_each_key_with_its_default_and_comment(
    name: str,
    file: str,
    left_out: set[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(PROJECT)
    with pytest.raises(SystemExit):
        main([name, "--help"])
    lines = capsys.readouterr().out.partition(f"keys, as in conf/{file}.yaml:\n")[2].splitlines()
    keys = yaml.safe_load((PROJECT / f"conf/{file}.yaml").read_text()).keys() - left_out
    assert {line.split(":")[0].strip() for line in lines} == keys
    assert all(" # " in line for line in lines)


@pytest.mark.parametrize("arguments", [(), ("--help",)])
def test_alone_it_lists_the_commands_with_a_line_each(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    listed = [line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ")]
    assert listed[: len(COMMANDS)] == list(COMMANDS)
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize("arguments", [[], ["--help"], ["generate", "--help"], ["sweep", "-h"]])
def test_a_help_imports_nothing_that_takes_time(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom tohum.cli import main\n"
        f"try:\n    main({arguments})\nexcept SystemExit:\n    pass\n"
        f"print(sorted({HEAVY} & set(sys.modules)), len(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    heavy, _, count = done.stderr.rpartition(" ")
    assert heavy == "[]"
    assert int(count) < 250  # 160; torch alone makes 1,000 of them


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    assert capsys.readouterr().out == f"tohum {project['version']}\n"


def test_the_console_script_is_this_main() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    module, _, function = project["scripts"]["tohum"].partition(":")
    assert getattr(importlib.import_module(module), function) is main


@pytest.mark.parametrize(
    ("name", "message"),
    [("genrate", "Did you mean 'generate'?"), ("qqq", "Known: inspect, estimate, generate, show,")],
)
def test_an_unknown_command_is_refused_with_the_nearest(name: str, message: str) -> None:
    done = run(name, "prompt=x")
    assert done.returncode == 1
    assert done.stderr.startswith(f"tohum: error: unknown command '{name}'. {message}")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [("report", "--rows"), ("sweep", "--cfg", "job"), ("export", "x")]
)
def test_an_unknown_argument_is_refused_by_its_command(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert f"tohum {arguments[0]}: error: unrecognized arguments: {arguments[1]}" in done.stderr


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - set(WITHOUT_PROJECT)))
def test_outside_of_a_project_it_says_so(name: str, tmp_path: Path) -> None:
    done = run(name, *(["check"] if name == "cluster" else []), cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(f"{name}: error: there is no project at or above {tmp_path}, whi")
    assert "no conf and no dvc.yaml. Change to your clone" in done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder in a project in which nothing has run."""
    root = tmp_path / "project"
    shutil.copytree(PROJECT / "conf", root / "conf")
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(PROJECT / name, root / name)
    (root / ".dvc").mkdir()
    (root / "notes" / "ğ").mkdir(parents=True)
    return root / "notes" / "ğ"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("generate",), "models/lm has no trained model"),
        (("serve",), "models/lm has no trained model"),
        (("export",), "models/lm/config.json is missing"),
        (("show", "tokens", "x"), "models/tokenizer/tokenizer.json is missing"),
        (("show", "next", "x"), "models/lm has no trained model"),
        (("show", "curves"), "plots/train.csv is missing"),
        (("report",), "metrics/jsonl.json is missing"),
        (("sweep", "-m", "tokenizer.vocab_size=300,400"), "a ZIP download has none"),
        *((("share", name), "a ZIP download has none") for name in ("status", "push", "list")),
    ],
    ids=str,
)
def test_a_command_works_on_the_project_that_it_is_run_in(
    arguments: tuple[str, ...], told: str, folder: Path
) -> None:
    here, root = run(*arguments, cwd=folder), run(*arguments, cwd=folder.parents[1])
    assert (here.returncode, here.stdout, here.stderr) == (1, root.stdout, root.stderr)
    assert told in here.stderr.replace("\\", "/")
    assert "Traceback" not in here.stderr


@pytest.mark.parametrize("names", [("generate",), ("serve",)])
def test_a_help_has_the_keys_of_the_project_from_any_of_its_folders(
    names: tuple[str, ...], folder: Path
) -> None:
    assert "keys, as in conf/generate.yaml:" in run(*names, "--help", cwd=folder).stdout


def test_what_inspect_proposes_is_seen_from_the_root(folder: Path) -> None:
    (folder / "qa.csv").write_text("question,answer\nWhat?,That\nWho?,They\n")
    said = run("inspect", "qa.csv", cwd=folder).stdout
    assert 'source.paths=["notes/ğ/qa.csv"]' in said
    assert said == run("inspect", "notes/ğ/qa.csv", cwd=folder.parents[1]).stdout


@pytest.mark.parametrize("module", ["-m", "file"])
def test_a_stage_works_on_the_project_that_it_is_run_in(module: str, folder: Path) -> None:
    assert compose_in(folder, module).returncode == 0
    assert (folder.parents[1] / "params.lock.yaml").is_file()
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("module", ["-m", "file"])
def test_a_stage_outside_of_a_project_says_so(module: str, tmp_path: Path) -> None:
    done = compose_in(tmp_path, module)
    assert done.returncode == 1
    assert done.stderr.startswith(f"compose: error: there is no project at or above {tmp_path}, wh")


def compose_in(folder: Path, module: str) -> "subprocess.CompletedProcess[str]":
    file = str(PROJECT / "stages" / "compose" / "__main__.py")
    return subprocess.run(
        [sys.executable, *(["-m", "stages.compose"] if module == "-m" else [file])],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(PROJECT)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


def test_in_a_deleted_folder_it_says_so(tmp_path: Path) -> None:
    code = (
        "import os, sys\nfrom tohum.cli import main\n"
        f"os.chdir({str(tmp_path)!r})\nos.rmdir({str(tmp_path)!r})\nsys.exit(main(['report']))"
    )
    if sys.platform == "win32":
        pytest.skip("a folder that is used can't be deleted")
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("report: error: the current folder does not exist any more.")


def test_a_clone_with_code_of_its_own_is_not_run_with_that_of_another(tmp_path: Path) -> None:
    (tmp_path / "tohum").mkdir()
    (tmp_path / "tohum" / "cli.py").touch()
    code = "import sys\nfrom tohum.cli import main\nsys.exit(main(['report']))"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],  # as a console script, without the folder in its path
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(PROJECT)}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert f"this is the `tohum` of {PROJECT}, and {tmp_path} has its own" in done.stderr


def test_outside_of_a_project_share_looks_for_one_above(tmp_path: Path) -> None:
    done = run("share", "status", cwd=tmp_path)
    assert done.returncode == 1
    assert f"share: error: there is no DVC project at or above {tmp_path}" in done.stderr


def test_a_mistake_in_a_value_shows_before_torch_is_imported() -> None:
    for name in ("generate", "serve"):
        done = run(name, "temprature=1")
        assert done.returncode == 1
        assert done.stderr.startswith(f"{name}: error: unknown key '{name}.temprature'. Did you")


def test_overrides_may_stand_on_both_sides_of_an_option(tmp_path: Path) -> None:
    """They reach the sweep, which has no commit to sweep on here."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "dvc.yaml").touch()
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    done = run("sweep", "a=1", "-m", "b=2,3", cwd=tmp_path)
    assert done.returncode == 1
    assert "sweep: error: every point of a sweep is a DVC experiment" in done.stderr


COMPLETE = """
PATH={folder}:$PATH
eval "$(tohum completion bash)"
complete -p tohum
read -r _ _ _ _ _ _ _ _ function _ <<< "$(complete -p tohum)"
COMP_LINE={line!r} COMP_TYPE=9
COMP_POINT=${{#COMP_LINE}} COMP_WORDS=($COMP_LINE)
$function tohum
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.mark.skipif(sys.platform == "win32", reason="bash")
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("tohum ge", {"generate"}),
        ("tohum share p", {"push", "pull"}),
        ("tohum export --dtype ", {"float32", "float16"}),
        ("tohum generate max", {"max_new_tokens="}),
        ("tohum serve p", {"port="}),
        ("tohum inspect dvc.y", {"dvc.yaml"}),
        ("tohum sweep -m tokenizer.vo", {"tokenizer.vocab_size="}),  # Hydra's own
        ("tohum sweep model=t4", {"t4_colab"}),
        ("tohum sweep model.hidden_size=", {"192"}),  # which follows from the layers
    ],
)
@pytest.mark.parametrize("where", [PROJECT, PROJECT / "conf" / "model"], ids=["root", "folder"])
def test_bash_completes(line: str, offered: set[str], where: Path, tmp_path: Path) -> None:
    if "inspect" in line and where != PROJECT:
        pytest.skip("the names of files are those of the current folder")
    script = tmp_path / "tohum"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tohum "$@"\n')
    script.chmod(0o755)
    done = subprocess.run(
        ["bash", "-c", COMPLETE.format(folder=tmp_path, line=line)],
        cwd=where, env={**os.environ, "PYTHONPATH": str(PROJECT)}, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    registered, *found = done.stdout.splitlines()
    assert registered.startswith("complete ") and registered.endswith(" tohum")
    assert {each.strip() for each in found} == offered
