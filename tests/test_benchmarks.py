"""What benchmarks share with the stages, so that a change of format does not break them unseen."""

import sys
from importlib import import_module
from pathlib import Path

import pytest

from benchmarks import code_corpus, resume
from benchmarks.soak import once
from benchmarks.train import filled_in
from tests.conftest import PROJECT
from tohum.formats.records import listed_shards, read_records

BENCHMARKS = sorted(path.stem for path in (PROJECT / "benchmarks").glob("[a-z]*.py"))


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_can_be_imported(name: str) -> None:
    if name.startswith("cluster") and sys.platform != "linux":
        pytest.skip("Ray's nodes run only on Linux")
    import_module(f"benchmarks.{name}")


def test_the_stages_read_a_corpus_of_installed_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(code_corpus, "ROOTS", (str(PROJECT / "tohum"),))
    monkeypatch.setattr(code_corpus, "SHARD_BYTES", 50_000)
    real, copies = code_corpus.write_corpus(tmp_path, 120_000)
    assert real >= 120_000
    assert not copies
    shards = listed_shards(tmp_path)
    assert len(shards) > 1
    for shard in shards:
        shard.check()
    texts = [record["content"] for shard in shards for record in read_records(shard.path)]
    assert sum(len(text.encode()) for text in texts) == real


def test_a_project_that_brings_its_own_conf_is_one_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resume, "link", lambda *_: None)
    root = resume.project(tmp_path / "killed", tmp_path / "made", steps=7)
    assert (root / "dvc.yaml").read_bytes() == (PROJECT / "dvc.yaml").read_bytes()
    assert "checkpoint_seconds: 1\n" in (root / "conf/runtime.yaml").read_text("utf-8")
    assert "steps: 7\n" in (root / "params.lock.yaml").read_text("utf-8")


def test_an_id_in_two_places_or_in_none_is_found() -> None:
    assert once(["a", "b", "c"], ["a", "b"], [("c", "missing")]) == 0
    assert once(["a", "b", "c"], ["a", "b"], [("b", "missing")]) == 2
    assert once(["a"], ["a", "a"], []) == 1
    assert once(["a"], ["a"], [("x", "missing")]) == 1


def test_a_peer_s_command_gets_the_values_wherever_it_names_them() -> None:
    values = {"documents": "/d.jsonl", "out": "/out"}
    assert filled_in("--data={documents}", values) == "--data=/d.jsonl"
    assert filled_in("{out}/model", values) == "/out/model"
    assert filled_in("{other}", values) == "{other}"
