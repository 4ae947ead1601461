"""`tohum serve` as a process: it serves, and ends without a word."""

import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.conftest import PROJECT
from tests.tohum.trained import write_language_model

pytestmark = pytest.mark.slow


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_interrupted(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "dvc.yaml").touch()
    shutil.copy(PROJECT / "conf/generate.yaml", tmp_path / "conf")
    write_language_model(tmp_path / "models/lm")
    with subprocess.Popen(
        [sys.executable, "-m", "tohum", "serve", "port=0"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(PROJECT)}, stderr=subprocess.PIPE,
        text=True,
    ) as server:  # fmt: skip
        assert server.stderr is not None
        line = server.stderr.readline()
        found = re.fullmatch(r"serve: (http://127\.0\.0\.1:\d+), until Ctrl-C\n", line)
        assert found, line
        with urllib.request.urlopen(found[1] + "/v1/models") as answer:
            assert b"models/lm" in answer.read()
        server.send_signal(number)
        _, errors = server.communicate(timeout=30)
    assert (server.returncode, errors) == (0, "")
