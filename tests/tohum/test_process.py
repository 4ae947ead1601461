import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]
BOUND_SECONDS = 15.0

STAGE = """
from tohum.errors import UserError
from tohum.process import run_stage

def work():
{body}

run_stage("jsonl", work)
"""
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
DEV_FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")


def stage_code(*body: str) -> str:
    return STAGE.format(body="\n".join(f"    {line}" for line in body))


def run(*body: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", stage_code(*body)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=BOUND_SECONDS,
    )


def test_a_finished_stage_exits_0() -> None:
    done = run("pass")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_user_error_is_one_line_and_exit_1() -> None:
    done = run("raise UserError('no.key is 3, expected 4.')")
    assert done.returncode == 1
    assert done.stderr == "jsonl: error: no.key is 3, expected 4.\n"


def test_a_defect_keeps_its_traceback() -> None:
    done = run("raise ZeroDivisionError('defect')")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "ZeroDivisionError: defect" in done.stderr


def test_another_error_of_the_system_keeps_its_traceback() -> None:
    done = run("open('/no/such/file')")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "disk is full" not in done.stderr


@DEV_FULL
def test_a_full_disk_is_told_in_one_line_with_what_to_do() -> None:
    done = run("with open('/dev/full', 'w') as file:", "    file.write('x' * 100_000)")
    assert done.returncode == 1
    assert done.stderr.startswith("jsonl: error: the disk is full")
    assert "`dvc gc -w`" in done.stderr
    assert "`dvc repro` again" in done.stderr
    assert done.stderr.count("\n") == 1


def test_too_little_memory_is_told_in_one_line_with_what_to_do() -> None:
    done = run("bytearray(1 << 60)")
    assert done.returncode == 1
    assert done.stderr.startswith("jsonl: error: there is not enough memory (Python could not")
    assert "`workers` in conf/runtime.yaml" in done.stderr
    assert done.stderr.count("\n") == 1


def test_log_lines_name_the_stage_on_standard_error() -> None:
    done = run("import logging", "logging.getLogger('any').info('%d documents', 3)")
    assert (done.stdout, done.stderr) == ("", "jsonl: 3 documents\n")


@POSIX
def test_an_interrupt_exits_130_without_a_traceback() -> None:
    body = stage_code("import time", "print('ready', flush=True)", "time.sleep(60)")
    with subprocess.Popen(
        [sys.executable, "-c", body],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as stage:
        assert stage.stdout is not None
        assert stage.stdout.readline() == "ready\n"
        stage.send_signal(signal.SIGINT)
        _, stderr = stage.communicate(timeout=BOUND_SECONDS)
    assert stage.returncode == 130
    assert stderr == "jsonl: interrupted; run `dvc repro` to resume\n"


@POSIX
def test_a_stage_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    child = tmp_path / "stage.py"
    child.write_text(
        stage_code("import os, time", "print(os.getpid(), flush=True)", "time.sleep(60)")
    )
    starter = "import subprocess, sys; subprocess.run([sys.executable, sys.argv[1]])"
    with subprocess.Popen(
        [sys.executable, "-c", starter, str(child)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as parent:
        assert parent.stdout is not None
        stage = psutil.Process(int(parent.stdout.readline()))
        assert ended(stage) is False
        parent.kill()
    deadline = time.monotonic() + BOUND_SECONDS
    while not ended(stage) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert ended(stage)


def ended(process: psutil.Process) -> bool:
    """Where process 1 does not reap, an orphan that has ended stays as a zombie."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
