"""Standard output and input, in real processes: code pages, closed pipes, wrong bytes."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PROJECT
from tohum.errors import UserError
from tohum.streams import READER_GONE, read_line, refuse_undecodable

pytestmark = pytest.mark.slow

THAI = "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35"
COMMANDS = [
    ["--help"],
    ["--version"],
    ["report"],
    ["inspect", "{folder}/a.csv"],
    ["inspect", "{folder}/code"],
    ["completion", "bash"],
    ["share", "status"],
    ["sweep", "--help"],
    ["generate", "prompt=a"],
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    rows = [f"{THAI}{number},{THAI}\u4f60\u597d\U0001f600" for number in range(20)]
    (folder / "a.csv").write_text("soru,cevap\n" + "\n".join(rows), "utf-8")
    (folder / "code").mkdir()
    (folder / "code" / f"{THAI}.py").write_text(f"# {THAI}\n", "utf-8")
    return folder


def start(command: list[str], folder: Path, **environment: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "tohum", *(part.format(folder=folder) for part in command)],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.mark.parametrize("encoding", ["cp1254", "ascii", "cp857:strict"])
@pytest.mark.parametrize("command", COMMANDS[2:5] + COMMANDS[6:], ids=" ".join)
def test_a_letter_that_the_code_page_lacks_is_printed_as_its_code(
    command: list[str], encoding: str, folder: Path
) -> None:
    output, errors = start(command, folder, PYTHONIOENCODING=encoding).communicate(timeout=120)
    assert b"Traceback" not in errors
    if "a.csv" in command[-1]:
        assert rb"\u0e2a" in output


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_reader_that_leaves_ends_a_command_quietly(
    command: list[str], unbuffered: str, folder: Path
) -> None:
    process = start(command, folder, PYTHONUNBUFFERED=unbuffered)
    assert process.stdout is not None
    process.stdout.close()
    _, errors = process.communicate(timeout=120)
    assert b"Traceback" not in errors and b"Exception ignored" not in errors
    if command[-1] in ("bash", "--version"):  # argparse itself hides it from its help
        assert (process.returncode, errors) == (READER_GONE, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_under_the_output_is_told(folder: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "tohum", "completion", "bash"],
            cwd=PROJECT,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.startswith(b"completion: error: the disk is full")
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])
def test_a_stage_survives_a_terminal_without_its_letters(errors: str) -> None:
    code = (
        "import logging\nfrom tohum.process import run_stage\n"
        f"run_stage('jsonl', lambda: (logging.info('{THAI}'), print('{THAI}'), None)[-1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(PROJECT), "PYTHONIOENCODING": f"cp1254:{errors}"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0
    assert rb"\u0e2a" in done.stdout and rb"\u0e2a" in done.stderr


def test_input_in_another_encoding_gets_a_sentence() -> None:
    lines = io.TextIOWrapper(io.BytesIO("bir\nçığ\n".encode("cp1254")), "utf-8")
    with pytest.raises(UserError, match=r"standard input is not UTF-8: it has .*iconv -f cp1254"):
        for _ in range(2):
            read_line(lines)


def test_an_argument_that_is_not_text_gets_a_sentence() -> None:
    refuse_undecodable(["prompt=çığ", THAI])
    with pytest.raises(UserError, match="is not UTF-8"):
        refuse_undecodable([os.fsdecode(b"prompt=\xe7")])
