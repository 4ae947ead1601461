"""Predictions beside what the stages then take, on a small corpus."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from stages.compose.checking import check
from stages.compose.composition import compose
from tests.tiny import PROJECT, runtime
from tohum import cli
from tohum.commands.estimate.cost_table import duration
from tohum.commands.estimate.data_costs import data_costs
from tohum.commands.estimate.measurement import measure_stage
from tohum.commands.estimate.sample_runs import DATA_STAGES, make_project, run_samples
from tohum.config.runtime import RUNTIME_FILE, load_runtime
from tohum.foresight import folder_bytes

pytestmark = pytest.mark.slow

NEAR = 0.25
SMALL = ("jsonl.shard_bytes=100000", "tokenizer.vocab_size=400", "encode.validation_share=0.1")
OUTPUTS = ("data/raw", "data/jsonl", "data/pretokens", "models/tokenizer", "data/tokens")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with the source tiny, and no code of its own."""
    root = tmp_path / "project"
    root.mkdir()
    shutil.copytree(PROJECT / "conf", root / "conf")
    shutil.copy(PROJECT / "dvc.yaml", root / "dvc.yaml")
    overrides = ["source=tiny", "model=tiny", "train=tiny", *SMALL]
    (root / "params.yaml").write_text(json.dumps({"overrides": overrides}))
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.chdir(root)
    return root


def test_bytes_and_memory_of_the_data_stages_are_within_a_quarter(
    project: Path, tmp_path: Path
) -> None:
    values = compose(PROJECT / "conf", ["source.max_bytes=3000000", "model=tiny", *SMALL])
    config = check(values)
    samples = run_samples(values, config, tmp_path / "samples", large_bytes=1_000_000)
    assert 0.3 < samples.large.share < 0.4
    costs = data_costs(samples, config, runtime(2), os.cpu_count() or 1, 0)
    whole = tmp_path / "whole"
    make_project(whole, values)
    for cost, stage, out in zip(costs, DATA_STAGES, OUTPUTS, strict=True):
        measured = measure_stage(whole, stage)
        assert cost.stage == stage
        assert cost.memory == pytest.approx(measured.memory, rel=NEAR), stage
        assert cost.output == pytest.approx(folder_bytes(whole / out), rel=NEAR), stage


def test_a_sample_never_runs_on_a_cluster(project: Path, tmp_path: Path) -> None:
    path = project / RUNTIME_FILE
    text = path.read_text()
    assert "cluster: null" in text
    path.write_text(text.replace("cluster: null", "cluster: slurm"))
    make_project(tmp_path / "sample", compose(project / "conf", ["source=tiny", *SMALL]))
    assert load_runtime(tmp_path / "sample" / RUNTIME_FILE).cluster is None


def test_the_command_prints_every_stage_and_measures_once(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["estimate"]) == 0
    printed = capsys.readouterr().out
    for stage in (*DATA_STAGES, "train", "evaluate"):
        assert f"\n  {stage} " in printed
    assert "a parameter" in printed
    kept = {path: path.stat().st_mtime_ns for path in (project / ".work/estimate").iterdir()}
    assert cli.main(["estimate", "--json", "--bytes", "400GB"]) == _too_much(400 * 10**9)
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert found["size"]["bytes"] == 400 * 10**9
    assert found["corpus"]["text"] > 100 * 10**9
    assert found["training"]["epochs"] < 0.01
    for path, time in kept.items():
        assert path.name == "speeds.json" or path.stat().st_mtime_ns == time


def _too_much(size: int) -> int:
    return int(3 * size > shutil.disk_usage(Path()).free)


def test_less_than_the_source_has_is_refused(
    project: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    assert cli.main(["estimate", "--bytes", "many"]) == 1
    assert "--bytes is 'many'" in caplog.text


def test_a_model_that_no_memory_holds_is_not_tried(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    huge = ["model.hidden_size=65536", "model.num_layers=100", "model.num_heads=64"]
    assert cli.main(["estimate", "--json", *huge]) == 1
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    (train,) = [cost for cost in found["costs"] if cost["stage"] == "train"]
    assert any("parameters take at least" in problem for problem in train["problems"])
    assert (train["seconds"], found["training"]["steps"] > 0) == (None, True)


def test_entries_that_the_data_does_not_give_are_told(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["estimate", "--json", "tokenizer.vocab_size=60000"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    (cost,) = [cost for cost in found["costs"] if cost["stage"] == "tokenizer"]
    assert "of 60,000 entries" in cost["notes"][0]


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "?"), (12.3, "12 s"), (600, "10 min"), (9000, "2.5 h")]
)
def test_times_are_readable(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text
