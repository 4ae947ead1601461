"""Datasets of the Hub: what is told of them before, beside what their download then takes."""

import json
import shutil
import sysconfig
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow
import pytest
import yaml
from huggingface_hub import constants

from stages.compose.composition import compose
from tests.catalogue import turkish
from tests.conftest import PROJECT
from tests.fakes import stack_rows
from tests.fakes.access import GOOD_TOKEN, UNAUTHORISED_TOKEN
from tests.fakes.blobs import contents, sample_blobs
from tests.fakes.content_store import FakeContentStore
from tests.fakes.hub import FakeHub
from tests.fakes.stack_rows import parquet_bytes
from tests.tohum.sources.test_hub import ask
from tohum import cli
from tohum.commands.estimate import prediction
from tohum.commands.estimate.measurement import measure_stage
from tohum.commands.estimate.sample_runs import (
    DATA_STAGES,
    LARGE_BYTES,
    make_project,
    run_samples,
)
from tohum.commands.estimate.source_samples import sample_of, size_of_source
from tohum.config.runtime import RUNTIME_FILE
from tohum.foresight import folder_bytes
from tohum.sources.config import read_source

pytestmark = pytest.mark.slow

NEAR = 0.25
BLOBS = sample_blobs(3000)
TEXT = [
    line
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    for line in path.read_text("utf-8").splitlines()
    if len(line) > 20
]
LINES_EACH = 4
SMALL = ("model=tiny", "train=tiny", "tokenizer.vocab_size=400", "encode.validation_share=0.1")
OUTPUTS = ("data/raw", "data/jsonl", "data/pretokens", "models/tokenizer", "data/tokens")
IDS = ("source=stack_v2", "source.repo_id=a/b", "source.revision=main", "source.paths=[ids/*]")
EDU = ("source=stack_edu", "source.repo_id=a/b", "source.paths=[edu/*]")
ROWS = ("source=hub", "source.repo_id=a/b", "source.content=rows", "source.max_rows=null")
CHATS = (*ROWS, "source.paths=[chats/*]", "jsonl.min_bytes=1")
LINES = (*ROWS, "source.paths=[lines/*.jsonl]", "jsonl.min_bytes=1")


def chats(count: int, part: int) -> list[dict[str, Any]]:
    """Conversations of two turns, each of real lines that no other has."""
    first = part * count * LINES_EACH
    rows = [TEXT[first + LINES_EACH * number :][:LINES_EACH] for number in range(count)]
    return [{"soru": row[0], "cevap": "\n".join(row[1:])} for row in rows]


def lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


FILES = {
    "README.md": b"# Data\n",
    **{
        f"ids/{part}.parquet": parquet_bytes(stack_rows.stack_v2(BLOBS[part::3]), 100)
        for part in range(3)
    },
    "edu/0.parquet": parquet_bytes(stack_rows.stack_edu(BLOBS[:500]), 100),
    **{
        f"chats/{part}.parquet": parquet_bytes(pyarrow.Table.from_pylist(chats(3000, part)), 500)
        for part in range(2)
    },
    **{f"lines/{part}.jsonl": lines(chats(750, 8 + part)) for part in range(8)},
}


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub(FILES, repo_id="a/b") as hub:
        yield hub


@pytest.fixture
def store() -> Iterator[FakeContentStore]:
    with FakeContentStore(contents(BLOBS)) as store:
        yield store


@pytest.fixture
def project(
    hub: FakeHub, store: FakeContentStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A project that asks the fakes, with its stages' processes, and no code of its own."""
    root = tmp_path / "project"
    root.mkdir()
    shutil.copytree(PROJECT / "conf", root / "conf")
    shutil.copy(PROJECT / "dvc.yaml", root / "dvc.yaml")
    runtime = yaml.safe_load((root / RUNTIME_FILE).read_text("utf-8"))
    runtime |= {"content_url": store.content_url, "connections": 16, "progress": False}
    (root / RUNTIME_FILE).write_text(yaml.safe_dump(runtime))
    (root / "params.yaml").write_text("overrides: []\n")
    ask(hub, monkeypatch)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "DVC_ROOT"):
        monkeypatch.setenv(name, "")  # noted, so that what the code sets is undone
        monkeypatch.delenv(name)
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
    monkeypatch.chdir(root)
    return root


def answers(hub: FakeHub, store: FakeContentStore) -> int:
    """How many requests both servers have had."""
    return len(hub.requests) + len(store.requests)


@pytest.mark.parametrize(
    "overrides", [IDS, CHATS, (*CHATS, "source.max_rows=4500"), LINES], ids=repr
)
def test_disk_and_requests_are_within_a_quarter(
    project: Path,
    hub: FakeHub,
    store: FakeContentStore,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    overrides: tuple[str, ...],
) -> None:
    large = {IDS: LARGE_BYTES, LINES: 700_000}.get(overrides, 150_000)
    monkeypatch.setattr(prediction, "run_samples", partial(run_samples, large_bytes=large))
    assert cli.main(["estimate", "--json", *SMALL, *overrides]) == 0
    told = json.loads(capsys.readouterr().out)
    costs = {cost["stage"]: cost for cost in told["costs"]}
    assert told["training"]["tokens"] > 0
    whole = tmp_path / "whole"
    make_project(whole, compose(project / "conf", [*SMALL, *overrides]))
    asked = answers(hub, store)
    for stage in DATA_STAGES:
        measure_stage(whole, stage)
    asked = answers(hub, store) - asked
    assert costs["download"]["requests"] == pytest.approx(asked, rel=NEAR)
    taken = {
        stage: folder_bytes(whole / out) for stage, out in zip(DATA_STAGES, OUTPUTS, strict=True)
    }
    said = {stage: costs[stage]["output"] for stage in DATA_STAGES}
    assert sum(said.values()) == pytest.approx(sum(taken.values()), rel=NEAR)
    for stage in ("download", "jsonl", "encode"):  # the fake's contents repeat a few pretokens
        assert said[stage] == pytest.approx(taken[stage], rel=NEAR), stage


def test_sizes_are_the_hubs_and_no_file_is_fetched(project: Path, hub: FakeHub) -> None:
    sizes = {
        name: size_of_source(read_source(compose(project / "conf", [*SMALL, *overrides])["source"]))
        for name, overrides in (("ids", IDS), ("edu", EDU), ("chats", CHATS), ("lines", LINES))
    }
    listed = {
        folder: sum(len(body) for path, body in FILES.items() if path.startswith(folder))
        for folder in sizes
    }
    assert {name: size.bytes for name, size in sizes.items()} == listed
    assert [sizes[name].files for name in sizes] == [3, 1, 2, 8]
    assert [sizes[name].rows for name in ("ids", "edu", "chats")] == [
        pytest.approx(rows, rel=0.1) for rows in (3000, 500, 6000)
    ]
    assert sizes["lines"].rows is None
    assert [sizes[name].kept for name in sizes] == [0, 0, listed["chats"], 0]
    assert sizes["edu"].contents == sizes["edu"].rows, "a blob each"
    assert sizes["lines"].requests < 30
    bodies = [request for request in hub.requests if request.server == "cdn"]
    assert all("range" in request.headers for request in bodies)


def test_the_first_rows_alone_are_counted(project: Path) -> None:
    source = compose(project / "conf", [*SMALL, *IDS, "source.max_rows=300"])["source"]
    size = size_of_source(read_source(source))
    whole = sum(len(body) for path, body in FILES.items() if path.startswith("ids"))
    assert (size.rows, size.files, size.kept) == (300, 1, 0)
    assert size.bytes == pytest.approx(whole / 10, rel=0.01)
    assert 300 < size.requests < 320


def test_large_files_without_rows_are_sampled_by_their_first_lines(
    project: Path, hub: FakeHub, tmp_path: Path
) -> None:
    source = read_source(compose(project / "conf", [*SMALL, *LINES])["source"])
    size = size_of_source(source)
    some = sample_of(source, size.bytes // 3, tmp_path / "some")
    assert some.values["kind"] == "hub" and len(some.values["paths"]) == 3
    hub.requests.clear()
    heads = sample_of(source, 8000, tmp_path / "heads")
    assert heads.values["kind"] == "files"
    assert heads.share == pytest.approx(8000 / size.bytes, rel=0.5)
    written = sorted((tmp_path / "heads").rglob("*.jsonl"))
    assert len(written) == 8
    for path in written:
        text = path.read_bytes()
        assert FILES[path.relative_to(tmp_path / "heads").as_posix()].startswith(text)
        assert text.endswith(b"}\n")


@pytest.mark.parametrize(
    ("token", "overrides", "english", "in_turkish"),
    [
        ("", IDS, "a/b is gated. Accept its terms at", "koşullar"),
        (UNAUTHORISED_TOKEN, IDS, "the account of your HF_TOKEN has no access", "erişimi yok"),
        ("hf_bad", IDS, "the Hub does not accept your HF_TOKEN", "kabul etmiyor"),
        (GOOD_TOKEN, (*IDS, "source.paths=[no/*]"), "has no such folder", "klasör"),
        (GOOD_TOKEN, (*IDS, "source.repo_id=a/c"), "there is no such dataset", "veri kümesi"),
        (GOOD_TOKEN, (*LINES, "source.max_rows=5"), "is not a parquet file", "ise parquet değil"),
        (
            GOOD_TOKEN,
            (*LINES, "source.max_bytes=5"),
            "more than source.max_bytes",
            "değerinden çok",
        ),
    ],
)
def test_what_the_hub_refuses_is_told_before_anything_is_measured(
    project: Path,
    hub: FakeHub,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    token: str,
    overrides: tuple[str, ...],
    english: str,
    in_turkish: str,
) -> None:
    hub.gated = True
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    assert cli.main(["estimate", *SMALL, *overrides]) == 1
    assert english in caplog.text
    told = turkish().text(caplog.messages[-1])
    assert in_turkish in told and english not in told
    assert not (project / ".work/estimate").exists()


def test_without_a_network_it_says_so(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("tohum.sources.hub_patience.FIRST_WAIT", 0.001)
    assert cli.main(["estimate", *SMALL, *IDS]) == 1
    assert "the Hub can't be reached" in caplog.text
    assert "Ağı, HF_ENDPOINT" in turkish().text(caplog.messages[-1])
