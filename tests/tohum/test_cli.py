"""The one door: every command's help, what is refused, and what a shell completes."""

import importlib
import os
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
    ("name", "left_out"), [("generate", {"port"}), ("serve", {"prompt", "suffix", "chat"})]
)
def test_a_help_has_each_key_with_its_default_and_comment(
    name: str,
    left_out: set[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(PROJECT)
    with pytest.raises(SystemExit):
        main([name, "--help"])
    lines = capsys.readouterr().out.partition("keys, as in conf/generate.yaml:\n")[2].splitlines()
    keys = yaml.safe_load((PROJECT / "conf/generate.yaml").read_text()).keys() - left_out
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
    [("genrate", "Did you mean 'generate'?"), ("qqq", "Known: inspect, generate, serve, export,")],
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
    done = run(name, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(f"{name}: error: {tmp_path} is not the root of a project: it has")
    assert "no conf and no dvc.yaml. Change to the folder" in done.stderr


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
    ],
)
def test_bash_completes(line: str, offered: set[str], tmp_path: Path) -> None:
    script = tmp_path / "tohum"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tohum "$@"\n')
    script.chmod(0o755)
    done = subprocess.run(
        ["bash", "-c", COMPLETE.format(folder=tmp_path, line=line)],
        cwd=PROJECT, env={**os.environ, "PYTHONPATH": str(PROJECT)}, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    registered, *found = done.stdout.splitlines()
    assert registered.startswith("complete ") and registered.endswith(" tohum")
    assert {each.strip() for each in found} == offered
