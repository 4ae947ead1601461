import gzip
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
import yaml

from stages.compose.checking import check
from stages.compose.composition import compose
from tests.fakes import stack_rows
from tests.fakes.blobs import sample_blobs
from tests.fakes.hub import COMMIT, FakeHub
from tests.fakes.stack_rows import parquet_bytes
from tests.tohum.commands.inspect.test_data_files import overrides, preset
from tohum.commands.inspect.datasets import PREFIX_BYTES
from tohum.sources.hub import HubSource

pytestmark = pytest.mark.slow


PROJECT = Path(__file__).parents[4]
BLOBS = sample_blobs(60)


def chats(rows: int) -> bytes:
    """A parquet file of conversations, with a column that takes most of its bytes."""
    table = pyarrow.Table.from_pylist(
        [
            {
                "prompt": f"What is {n}?",
                "completion": "a number of the kind that you know",
                "noise": os.urandom(5000),
            }
            for n in range(rows)
        ]
    )
    file = io.BytesIO()
    pyarrow.parquet.write_table(table, file, row_group_size=500, compression="none")
    return file.getvalue()


def lines(size: int) -> bytes:
    row = json.dumps({"soru": "Nedir bu?", "cevap": "Işık " * 50}, ensure_ascii=False) + "\n"
    return row.encode() * (size // len(row.encode()) + 1)


def noise(size: int) -> bytes:
    """Lines that gzip makes little smaller."""
    row = b'{"text": "%s"}\n'
    return b"".join(row % os.urandom(500).hex().encode() for _ in range(size // 1000))


FILES = {
    "README.md": b"# Data\n",
    "chats/train-00000.parquet": chats(4000),
    "long/train.jsonl": lines(2 * PREFIX_BYTES),
    "packed/train.jsonl.gz": gzip.compress(noise(3 * PREFIX_BYTES), 1),
    "short/train.csv": "soru;cevap\nağaç;yeşil\n".encode("cp1254"),
    "stack/train.parquet": parquet_bytes(stack_rows.stack_v2(BLOBS)),
    "array/train.json": b"[" + b'{"text": "x"},' * (PREFIX_BYTES // 10) + b'{"text": "y"}]',
    "pictures/a.png": b"no",
}


@pytest.fixture(scope="module")
def hub() -> Iterator[FakeHub]:
    with FakeHub(FILES, repo_id="me/chats") as hub:
        yield hub


def run(hub: FakeHub, source: str, tmp_path: Path) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "hf")}
    environment |= {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "COLUMNS": "120"}
    command = [sys.executable, "-m", "tohum", "inspect", source, "--rows", "50"]
    return subprocess.run(
        command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False
    )


def told(hub: FakeHub, source: str, tmp_path: Path) -> str:
    done = run(hub, source, tmp_path)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_dataset_is_told_without_fetching_its_files(hub: FakeHub, tmp_path: Path) -> None:
    hub.requests.clear()
    text = told(hub, "me/chats/chats", tmp_path)

    assert f"me/chats at {COMMIT}: 1 data file, " in text
    assert "4,000 rows in this file (exact)" in text
    assert "50 of them looked at" in text
    assert "user is 'prompt'" in text
    assert "English 100%" in text
    assert all("range" in request.headers for request in hub.requests if "resolve" in request.path)
    values: dict[str, Any] = preset(text)
    assert values["kind"] == "hub"
    assert values["repo_id"] == "me/chats"
    assert values["revision"] == COMMIT
    assert values["paths"] == ["chats/*.parquet"]
    assert values["content"] == "rows"
    assert values["jsonl"]["fields"] == {"user": "prompt", "assistant": "completion"}
    conf = shutil.copytree(PROJECT / "conf", tmp_path / "conf")
    (conf / "source" / "chats.yaml").write_text(yaml.safe_dump(values))
    saved, pasted = check(compose(conf, ["source=chats"])), check(compose(conf, overrides(text)))
    assert isinstance(pasted.source, HubSource)
    assert isinstance(saved.source, HubSource)
    assert pasted.source.paths == saved.source.paths
    assert pasted.jsonl.fields == saved.jsonl.fields == values["jsonl"]["fields"]


def test_the_whole_dataset_is_told_by_folder(hub: FakeHub, tmp_path: Path) -> None:
    text = told(hub, "me/chats", tmp_path)

    for line in ("chats/*.parquet", "long/*.jsonl", "packed/*.jsonl.gz", "short/*.csv"):
        assert line in text
    assert "png" not in text


def test_of_a_long_file_the_beginning_is_read_and_its_rows_are_an_estimate(
    hub: FakeHub, tmp_path: Path
) -> None:
    text = told(hub, "me/chats/long", tmp_path)

    assert "rows in this file (an estimate by its beginning)" in text
    assert "broken" not in text
    assert "Turkish 100%" in text


def test_of_a_long_compressed_file_the_whole_lines_of_its_beginning_are_read(
    hub: FakeHub, tmp_path: Path
) -> None:
    text = told(hub, "me/chats/packed", tmp_path)

    assert "rows not counted (compressed, and large)" in text
    assert "50 of them looked at" in text
    assert "broken" not in text


def test_a_short_file_is_read_whole(hub: FakeHub, tmp_path: Path) -> None:
    text = told(hub, "me/chats/short", tmp_path)

    assert "1 rows in this file (exact)" in text
    assert "encoding cp1254" in text


def test_rows_of_ids_are_told_to_be_that(hub: FakeHub, tmp_path: Path) -> None:
    text = told(hub, f"me/chats/stack@{COMMIT}", tmp_path)

    assert "blob_id names blobs of Software Heritage" in text
    assert "source=stack_v2" in text


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("me/nothing", "there is no such dataset"),
        ("me/chats@nothing", "source.revision is 'nothing'"),
        ("me/chats/pictures", "has no data files; it has pictures/a.png"),
        ("me/chats/array", "JSON in one piece"),
        ("hf://datasets/me/chats/short/absent.csv", "has no data files"),
    ],
)
def test_what_cannot_be_read_is_an_error(
    hub: FakeHub, tmp_path: Path, source: str, message: str
) -> None:
    refused = run(hub, source, tmp_path)

    assert refused.returncode == 1
    assert message in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    "source",
    [
        "https://huggingface.co/datasets/me/chats/tree/main/short",
        "https://huggingface.co/datasets/me/chats/blob/main/short/train.csv",
        "hf://datasets/me/chats@main/short/",
        "datasets/me/chats/short",
    ],
)
def test_an_address_of_a_folder_or_file_is_told(hub: FakeHub, tmp_path: Path, source: str) -> None:
    text = told(hub, source, tmp_path)

    assert "me/chats at" in text
    assert "1 rows in this file (exact)" in text


def test_another_sites_address_is_an_error(hub: FakeHub, tmp_path: Path) -> None:
    refused = run(hub, "https://example.com/x.csv", tmp_path)

    assert refused.returncode == 1
    assert "names no dataset of the Hub" in refused.stderr
