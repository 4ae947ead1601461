"""The sweep as a user runs it: real experiments of the real `dvc` in a temporary clone."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from dvc.repo import Repo

from tests.conftest import TINY, Clone, make_clone

pytestmark = pytest.mark.slow


SWEEP = (sys.executable, "-m", "tohum", "sweep")
GRID = ("-m", "tokenizer.vocab_size=300,320", "tokenizer.min_frequency=2,0")


def experiments(clone: Clone) -> list[str]:
    """The names of the experiments that are done."""
    listed = clone.run("dvc", "exp", "list", "--name-only", "--all-commits").stdout
    return sorted(name for name in listed.split() if name.startswith("vocab_size-"))


def latest(clone: Clone) -> list[dict[str, str]]:
    """The rows of the last sweep's CSV."""
    path = max((clone.root / "outputs" / "sweep").glob("*/sweep.csv"))
    with path.open() as file:
        return list(csv.DictReader(file))


def states(clone: Clone) -> dict[str, str]:
    """What became of each size, in the last sweep."""
    return {row["tokenizer.vocab_size"]: row["state"] for row in latest(clone)}


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Clone, str]:
    """A clone with uncommitted changes in which a grid with a bad value has run, and its output."""
    clone = make_clone(tmp_path_factory.mktemp("swept") / "clone")
    clone.override(*TINY, "train.warmup_share=0")
    (clone.root / "README.md").write_text("not committed\n")
    done = clone.run(*SWEEP, *GRID, check=False)
    assert done.returncode == 1, done.stderr
    return clone, done.stdout + done.stderr


def test_the_good_points_of_a_grid_run_and_the_bad_are_told(swept: tuple[Clone, str]) -> None:
    clone, said = swept
    rows = [
        (row["tokenizer.vocab_size"], row["tokenizer.min_frequency"], row["state"])
        for row in latest(clone)
    ]
    assert rows == [
        ("300", "0", "failed"),
        ("300", "2", "ran"),
        ("320", "0", "failed"),
        ("320", "2", "ran"),
    ]
    assert "FAILED tokenizer.vocab_size=300 tokenizer.min_frequency=0: tokenizer.min_freq" in said
    assert len(experiments(clone)) == 2


def test_the_corpus_is_counted_once(swept: tuple[Clone, str]) -> None:
    clone, _ = swept
    logs = [path.read_text() for path in (clone.root / ".work" / "sweep").glob("*/logs/*.log")]
    assert len(logs) == 2
    assert sum("Running stage 'pretokens'" in log for log in logs) == 1


def assert_nothing_uncommitted_is_lost(clone: Clone) -> None:
    changed = clone.run("git", "status", "--porcelain").stdout.splitlines()
    assert [line.split()[-1] for line in changed] == ["README.md", "params.yaml"]
    assert (clone.root / "README.md").read_text() == "not committed\n"
    assert clone.run("git", "symbolic-ref", "HEAD").returncode == 0


def test_what_is_not_committed_stays_as_it_is(swept: tuple[Clone, str]) -> None:
    assert_nothing_uncommitted_is_lost(swept[0])


def test_a_sweep_done_before_runs_nothing(swept: tuple[Clone, str]) -> None:
    clone, _ = swept
    before = experiments(clone)
    clone.run(*SWEEP, "-m", "tokenizer.vocab_size=320,300")
    assert [row["state"] for row in latest(clone)] == ["found", "found"]
    assert experiments(clone) == before


def test_optuna_looks_for_more_bytes_per_token(swept: tuple[Clone, str]) -> None:
    clone, _ = swept
    clone.run(
        *SWEEP,
        "-m",
        "hydra/sweeper=optuna",
        "hydra.sweeper.n_trials=4",
        "hydra.sweeper.n_jobs=4",  # at least two trials at once ask for the same point
        "tokenizer.vocab_size=315,320",
        "tokenizer.min_frequency=2",
    )
    assert states(clone).keys() == {"315", "320"}
    found = yaml.safe_load((clone.root / ".work/sweep/hydra/optimization_results.yaml").read_text())
    assert found["best_params"] == {"tokenizer.vocab_size": 320}
    assert found["best_value"] == max(float(row["bytes_per_token"]) for row in latest(clone))


@pytest.mark.parametrize(
    ("jobs", "sizes"),
    [
        (("sweep.jobs=1",), ("311", "312")),
        (("hydra/launcher=joblib", "hydra.launcher.n_jobs=3"), ("321", "322", "323")),
        (("hydra/launcher=submitit_local", "sweep.jobs=2"), ("331", "332")),
    ],
)
def test_points_run_one_by_one_or_as_many_at_once_as_asked(
    swept: tuple[Clone, str], jobs: tuple[str, ...], sizes: tuple[str, ...]
) -> None:
    clone, _ = swept
    grid = (f"tokenizer.vocab_size={','.join(sizes)}", "tokenizer.min_frequency=2")
    clone.run(*SWEEP, "-m", *jobs, *grid)
    assert states(clone) == dict.fromkeys(sizes, "ran")


def test_without_the_flag_one_point_runs_and_its_failure_is_told(swept: tuple[Clone, str]) -> None:
    clone, _ = swept
    failed = clone.run(*SWEEP, "source=local", "source.path=nowhere", check=False)
    assert failed.returncode == 1
    assert "source.path is 'nowhere', but there is no folder" in failed.stdout
    assert "Traceback" not in failed.stdout + failed.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_killed_sweep_goes_on_where_it_was(swept: tuple[Clone, str]) -> None:
    clone, _ = swept
    before = experiments(clone)
    grid = ("-m", "tokenizer.vocab_size=340,330")
    sweep = subprocess.Popen(
        [*SWEEP, *grid, "sweep.jobs=1"],
        cwd=clone.root,
        env=clone.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while experiments(clone) == before:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(1)  # the second point is on its way
    os.killpg(sweep.pid, signal.SIGKILL)
    sweep.wait()
    clone.run(*SWEEP, *grid)
    assert states(clone)["340"] == "found"
    assert {row["error"] for row in latest(clone)} == {""}
    assert len(experiments(clone)) == len(before) + 2
    assert_nothing_uncommitted_is_lost(clone)


def test_a_sweep_waits_while_a_point_has_the_workspace_stashed(swept: tuple[Clone, str]) -> None:
    clone, _ = swept
    with Repo(clone.root) as repo, repo.lock:
        clone.run("git", "stash")
        sweep = subprocess.Popen(
            [*SWEEP, "-m", "tokenizer.vocab_size=320,300"],
            cwd=clone.root,
            env=clone.environment(),
            stdout=subprocess.DEVNULL,
        )
        time.sleep(3)  # without the lock it would have read params.yaml and README.md by now
        clone.run("git", "stash", "pop")
    assert sweep.wait(timeout=120) == 0
    assert [row["state"] for row in latest(clone)] == ["found", "found"]


def applied_tokenizer(clone: Clone) -> tuple[dict[str, int], int]:
    """The tokenizer's parameters in the workspace, and how many entries the one there has."""
    values = yaml.safe_load((clone.root / "params.lock.yaml").read_text())["tokenizer"]
    tokenizer = json.loads((clone.root / "models/tokenizer/tokenizer.json").read_text())
    return values, len(tokenizer["model"]["vocab"])


def test_the_best_tokenizer_can_be_applied(swept: tuple[Clone, str]) -> None:
    clone, said = swept
    name = next(line.split()[-1] for line in said.splitlines() if "dvc exp apply" in line)
    assert name.startswith("vocab_size-320_min_frequency-2_")
    done = clone.run("dvc", "exp", "apply", name, check=False)
    missing = done.stderr.partition("Checkout failed for following targets:\n")[2].splitlines()[:3]
    assert sorted(missing) == ["data/tokens", "models/lm", "models/weights"]
    assert "Nothing has made models/lm here yet, so DVC will end with 'Checkout failed'" in said
    assert applied_tokenizer(clone) == ({"vocab_size": 320, "min_frequency": 2}, 320)
    assert clone.repro("tokenizer") == []


# The points of the four tests below are the same three trainings.
BUDGET = ("sweep.until=evaluate", "sweep.bytes=20000")


def test_a_trained_point_has_bits_per_byte(swept: tuple[Clone, str]) -> None:
    clone, _ = swept
    done = clone.run(*SWEEP, *BUDGET, "tokenizer.vocab_size=400")
    (row,) = latest(clone)
    assert row["state"] == "ran"
    assert 0 < float(row["bits_per_byte"]) < 20
    assert f"with {float(row['bits_per_byte']):.3f} bits per byte (less is better)" in done.stdout


def test_points_of_unequal_vocabulary_train_on_equal_bytes(swept: tuple[Clone, str]) -> None:
    clone, _ = swept
    clone.run(*SWEEP, "-m", *BUDGET, "tokenizer.vocab_size=270,400")
    assert states(clone) == {"270": "ran", "400": "found"}
    small, large = latest(clone)
    assert int(small["steps"]) > int(large["steps"])
    assert int(small["text_bytes"]) == pytest.approx(20_000, rel=0.1)
    assert int(large["text_bytes"]) == pytest.approx(20_000, rel=0.1)


def test_several_seeds_are_several_trainings_and_their_mean_is_told(
    swept: tuple[Clone, str],
) -> None:
    clone, _ = swept
    (before,) = (row for row in latest(clone) if row["tokenizer.vocab_size"] == "270")
    clone.run(*SWEEP, "-m", *BUDGET, "sweep.seeds=2", "tokenizer.vocab_size=270")
    (row,) = latest(clone)
    values = [float(value) for value in row["by_seed"].split()]
    assert row["seeds"] == "2"
    assert values[0] != values[1]
    assert values[0] == pytest.approx(float(before["bits_per_byte"])), "found, not trained again"
    assert float(row["bits_per_byte"]) == pytest.approx(sum(values) / 2, abs=1e-5)


def test_a_trained_point_can_be_applied(swept: tuple[Clone, str]) -> None:
    clone, _ = swept
    (row,) = latest(clone)
    clone.run("dvc", "exp", "apply", row["experiment"])
    assert applied_tokenizer(clone)[1] == 270
    assert (clone.root / "models/lm/model.safetensors").is_file()
    assert clone.repro() == []


def test_a_point_can_be_pushed_to_a_friend_and_applied_there(
    swept: tuple[Clone, str], tmp_path: Path
) -> None:
    """DVC reads .dvc/config out of git for this, where a relative path is one from the root."""
    clone, _ = swept
    hub, name = tmp_path / "hub.git", experiments(clone)[0]
    clone.run("git", "clone", "--quiet", "--bare", ".", str(hub))
    clone.run("git", "remote", "add", "hub", str(hub))
    clone.run("dvc", "exp", "push", "hub", name)
    clone.run("git", "clone", "--quiet", str(hub), str(tmp_path / "friend"))
    friend = Clone(tmp_path / "friend")
    store = str(clone.root / ".share")
    friend.run("dvc", "remote", "add", "--local", "--default", "local", store)
    friend.run("dvc", "exp", "pull", "origin", name)
    friend.run("dvc", "exp", "apply", name, check=False)  # no model was made for this point
    (size,) = map(int, re.findall(r"^vocab_size-(\d+)", name))
    assert applied_tokenizer(friend)[1] == size
    assert not Path("/.share").exists()
