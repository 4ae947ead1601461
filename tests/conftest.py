"""Temporary clones of the project, as it lies in the working tree, in which the real `dvc` runs."""

import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from hypothesis import settings

PROJECT = Path(__file__).parent.parent

# Threads of PyTorch that wait must not keep the cores from the other worker's tests: libgomp's
# default spins 300,000 rounds first.
os.environ.setdefault("GOMP_SPINCOUNT", "0")

# A shell's `make test &` ignores Ctrl-C, and what tests start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

os.environ["TOHUM_LANG"] = "en"  # what tests compare messages with, on a Turkish system too

settings.register_profile("fixed", derandomize=True, deadline=None)  # no test depends on a clock
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile("fixed")

ALL_SLOW = "\npytestmark = pytest.mark.slow\n"  # of a file all of whose tests are slow

TINY = (
    "source=tiny",
    "jsonl.shard_bytes=100000",
    "tokenizer.vocab_size=400",
    "encode.validation_share=0.1",
    "model=tiny",
    "train=tiny",
    "evaluate.completion_places=3",
    "evaluate.completion_tokens=8",
    "evaluate.parse_prompts=4",
    "evaluate.parse_tokens=16",
)


@dataclass
class Clone:
    """A clone of the project with a git history of one commit and nothing run in it."""

    root: Path

    def environment(self) -> dict[str, str]:
        """This test's environment, with its Python first and no trace of the user's git or DVC."""
        names = {
            f"GIT_{role}_{field}": "test"
            for role in ("AUTHOR", "COMMITTER")
            for field in ("NAME", "EMAIL")
        }
        return {
            **os.environ,
            **names,
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "DVC_SITE_CACHE_DIR": str(self.root / ".dvc" / "tmp" / "site"),
            "DVC_NO_ANALYTICS": "1",
        }

    def run(self, *command: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Runs a command in the clone and returns what it printed."""
        done = subprocess.run(
            command,
            cwd=self.root,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(
                f"{command} exited with {done.returncode}:\n{done.stdout}\n{done.stderr}"
            )
        return done

    def override(self, *overrides: str) -> None:
        """Asks for these overrides in params.yaml."""
        (self.root / "params.yaml").write_text(yaml.safe_dump({"overrides": list(overrides)}))

    def repro(self, *arguments: str) -> list[str]:
        """Runs `dvc repro` and returns the stages that it ran."""
        return re.findall(r"Running stage '(\w+)'", self.run("dvc", "repro", *arguments).stdout)

    def lock(self) -> dict[str, Any]:
        """Returns the stages of dvc.lock."""
        stages = yaml.safe_load((self.root / "dvc.lock").read_text())["stages"]
        assert isinstance(stages, dict)
        return stages

    def hashes(self) -> dict[str, str]:
        """Returns the hash of every output of every stage."""
        return {out["path"]: out["md5"] for stage in self.lock().values() for out in stage["outs"]}


def make_clone(root: Path) -> Clone:
    """Copies what git tracks, or would track, to `root` and commits it there."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT,
        capture_output=True,
        check=True,
    )
    for name in listed.stdout.decode().split("\0"):
        if name and (PROJECT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, root / name)
    # Kernels are kept by the hash of their code, so a clone needs none of its own: 15 s saved.
    compiled = PROJECT / ".work" / "numba"
    compiled.mkdir(parents=True, exist_ok=True)
    if sys.platform != "win32":  # where a link needs a privilege
        (root / ".work").mkdir()
        (root / ".work" / "numba").symlink_to(compiled, target_is_directory=True)
    clone = Clone(root)
    clone.run("git", "init", "--quiet")
    clone.run("git", "add", "--all")
    clone.run("git", "commit", "--quiet", "--message", "The project as it is")
    return clone


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One worker more than there are cores: slow tests wait a quarter of their time."""
    return (psutil.cpu_count() or 1) + 1


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leaves out the files of slow tests where none is asked for: each worker would import them,
    and with them torch, transformers and DVC.
    """
    if config.option.markexpr != "not slow" or collection_path.suffix != ".py":
        return None
    return True if ALL_SLOW in collection_path.read_text(encoding="utf-8") else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Runs the slow files first, so that no worker is left alone with one at the end; xdist keeps
    this order with --no-loadscope-reorder.
    """
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return make_clone(tmp_path / "clone")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone in which the tiny pipeline has run once; tests go on in it, one after another."""
    clone = make_clone(tmp_path_factory.mktemp("trained") / "clone")
    clone.override(*TINY)
    clone.repro()
    clone.run("git", "add", "--all")
    clone.run("git", "commit", "--quiet", "--message", "A trained model")
    return clone
