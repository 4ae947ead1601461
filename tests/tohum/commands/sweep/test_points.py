from pathlib import Path

import pytest

from tests.conftest import Clone
from tohum.commands.sweep.plan import make_plan
from tohum.commands.sweep.points import run_point


def test_a_machine_that_does_not_see_the_lock_of_the_sweep_runs_no_point(
    clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(clone.root)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    plan = make_plan(["tokenizer.vocab_size=400,500"], True)
    outcome = run_point(plan, ["tokenizer.vocab_size=400"])
    assert outcome.state == "failed"
    assert outcome.error is not None
    assert "could take the lock" in outcome.error
    assert "mount it so that flock does" in outcome.error
    assert not list(Path(plan.logs).glob("*.log")), "no experiment was started"
