import subprocess
import sys

import pytest

from tests.tiny import PROJECT
from tohum.process import SPINS, share_processor


def printed(code: str) -> str:
    """What a new interpreter prints."""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_threads_wait_shortly_unless_the_user_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    show = "import os; print(os.environ['GOMP_SPINCOUNT'])"
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    share_processor()
    assert printed(show) == SPINS
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    share_processor()
    assert printed(show) == "7"


def test_torch_is_not_loaded_before_they_are_told() -> None:
    assert printed("import sys, stages.train.__main__; print('torch' in sys.modules)") == "False"
