import json
import logging
import os
import shutil
from pathlib import Path

import pytest

from stages.jsonl.conversion import convert
from tests.tiny import rules, runtime
from tohum.errors import UserError
from tohum.foresight import (
    folder_bytes,
    foretell,
    foretell_training,
    keep_speeds,
    require_disk,
    speeds_path,
)

MORE = 1 << 60  # bytes, more than any disk


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def sparse(path: Path, size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        os.truncate(file.fileno(), size)


def test_a_disk_that_is_too_small_is_refused_with_the_figures_and_the_way_out() -> None:
    with pytest.raises(UserError, match=r"'encode'.* the tokens .* GB free.*tohum estimate"):
        require_disk("encode", MORE, Path("not/there/yet"), "the tokens")


def test_what_fits_is_not_refused(tmp_path: Path) -> None:
    require_disk("encode", 1, tmp_path, "the tokens")
    require_disk("encode", -5, tmp_path, "the tokens")  # all of it is there


def test_jsonl_refuses_documents_that_the_disk_cannot_hold(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    sparse(raw / "data.jsonl", shutil.disk_usage(tmp_path).free * 2)
    (raw / "manifest.jsonl").write_text("")
    (raw / "source.json").write_text(json.dumps({"kind": "files", "license": None}))
    with pytest.raises(UserError, match="the disk can't hold what the stage 'jsonl' writes"):
        convert(
            rules(),
            runtime(),
            raw,
            tmp_path / "out",
            tmp_path / "metrics.json",
            tmp_path / "plot.csv",
            tmp_path / "opt_out.txt",
        )


def test_bytes_of_a_folder_are_those_of_all_its_files(tmp_path: Path) -> None:
    sparse(tmp_path / "a" / "b" / "one", 1000)
    sparse(tmp_path / "a" / "two", 24)
    assert folder_bytes(tmp_path / "a") == 1024
    assert folder_bytes(tmp_path / "none") == 0


def test_only_a_long_stage_is_foretold(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    keep_speeds({"jsonl": 1000.0})
    foretell("jsonl", 599_000)
    assert not caplog.records
    foretell("jsonl", 1_200_000)
    assert "about 20 minutes" in caplog.text


def test_speeds_that_cannot_be_read_are_not_used(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    speeds_path().parent.mkdir(parents=True)
    for text in ("", "[1]", '{"jsonl": "fast"}', '{"jsonl": 0}'):
        speeds_path().write_text(text)
        foretell("jsonl", 1_200_000)
    assert not caplog.records


def test_minutes_of_training_are_foretold(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    foretell_training(None)
    foretell_training(10)
    assert not caplog.records
    foretell_training(60)
    assert "60 minutes" in caplog.text
