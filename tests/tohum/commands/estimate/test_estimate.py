"""`tohum estimate` as a user runs it, and what it says next to what the stages then take."""

import json
import sys
from pathlib import Path

import pytest

from tests.conftest import TINY, Clone
from tests.tiny import PROJECT
from tohum.commands.estimate.costs import data_costs
from tohum.commands.estimate.material import Material
from tohum.commands.estimate.measurements import Measurements, Steps, run_stages

pytestmark = pytest.mark.slow
COMMAND = (sys.executable, "-m", "tohum", "estimate")
WITHIN = 0.25  # of the memory and the disk that are measured
UNUSED = Steps(0, 0, 1, 0, 0, 1.0, "float32")


def test_memory_and_disk_are_near_what_the_stages_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    small, large = (run_stages([], size) for size in (3_000_000, 9_000_000))
    measured = run_stages([], 24_000_000)
    raw = measured.stages["download"].out
    material = Material(raw, measured.text, measured.documents, "a test")
    predicted = data_costs(material, Measurements(small, large, UNUSED), 1e6, 1.0)
    for cost in predicted:
        taken = measured.stages[cost.stage]
        assert cost.memory == pytest.approx(taken.memory, rel=WITHIN), cost.stage
        assert cost.disk == pytest.approx(taken.out, rel=WITHIN, abs=100_000), cost.stage


def test_a_user_sees_each_stage_and_the_second_time_nothing_is_measured(clone: Clone) -> None:
    clone.override(*TINY)
    done = clone.run(*COMMAND, "text=3MB", "--json")
    assert "measuring this machine" in done.stderr
    found = json.loads(done.stdout)
    assert found["material"]["text_bytes"] == 3_000_000
    assert found["stages"]["train"]["seconds"] > 0
    assert not found["lacking"]
    assert not Path(clone.root, "data/raw").exists()
    again = clone.run(*COMMAND)
    assert "measuring" not in again.stderr
    assert "  train " in again.stdout


def test_too_much_data_for_this_machine_is_said_and_is_a_failure(clone: Clone) -> None:
    clone.override(*TINY)
    done = clone.run(*COMMAND, "text=90TB", check=False)
    assert done.returncode == 1
    assert "the disk needs" in done.stdout
    assert "source.max_rows or source.max_bytes" in done.stdout
