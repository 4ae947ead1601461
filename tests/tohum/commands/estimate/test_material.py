"""What a source will bring, told before it brings it."""

import gzip
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
import zstandard
from huggingface_hub import constants

from stages.compose.composition import compose
from stages.download.downloading import download
from tests.fakes.hub import FakeHub
from tests.fakes.stack_rows import parquet_bytes
from tests.tiny import PROJECT, module_sources
from tohum.commands.estimate.material import Material, find_material, scaled, unpacked_share
from tohum.commands.estimate.measurements import folder_bytes
from tohum.config.runtime import load_runtime
from tohum.errors import UserError
from tohum.sources.config import read_source

NEAR = 0.05


def section(*overrides: str) -> dict[str, Any]:
    values = compose(PROJECT / "conf", list(overrides))["source"]
    assert isinstance(values, dict)
    return values


@pytest.fixture
def runtime() -> Any:
    return load_runtime(PROJECT / "conf/runtime.yaml")


def test_packages_and_folders_bring_what_their_sizes_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runtime: Any
) -> None:
    (tmp_path / "code").mkdir()
    for number, text in enumerate(module_sources()):
        (tmp_path / "code" / f"{number}.py").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for overrides in (
        ("source=packages", "source.max_bytes=1000000"),
        ("source=local", "source.path=code"),
    ):
        values = section(*overrides)
        found = find_material(values)
        out = tmp_path / overrides[0] / "raw"
        download(read_source(values), out, runtime)
        facts = json.loads((out / "source.json").read_text())
        assert found.documents == facts["files"]
        assert found.raw_bytes == pytest.approx(folder_bytes(out), rel=NEAR)
        assert found.requests == 0


def test_a_limit_on_a_folder_holds(tmp_path: Path) -> None:
    for number, text in enumerate(module_sources()):
        (tmp_path / f"{number}.py").write_text(text, encoding="utf-8")
    found = find_material(
        section("source=local", f"source.path={tmp_path}", "source.max_bytes=50000")
    )
    assert 0 < found.text_bytes < 100_000


def rows(count: int) -> list[dict[str, str]]:
    generator = random.Random(0)
    words = [f"word{number}" for number in range(1000)]
    return [
        {"content": " ".join(generator.choices(words, k=60)), "path": f"{number}.txt"}
        for number in range(count)
    ]


def test_data_files_are_as_long_as_what_they_unpack_to(tmp_path: Path) -> None:
    table = rows(4000)
    text = "".join(json.dumps(row) + "\n" for row in table).encode()
    (tmp_path / "plain.jsonl").write_bytes(text)
    (tmp_path / "packed.jsonl.gz").write_bytes(gzip.compress(text))
    (tmp_path / "packed.jsonl.zst").write_bytes(zstandard.compress(text))
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(table), tmp_path / "rows.parquet")
    for path in tmp_path.iterdir():
        unpacked = unpacked_share(path) * path.stat().st_size
        assert unpacked == pytest.approx(len(text), rel=0.15), path.name
        found = find_material(section("source=files", f"source.paths=[{path}]"))
        assert found.raw_bytes == path.stat().st_size
        assert found.documents == pytest.approx(len(table), rel=0.2), path.name


def test_what_is_not_there_is_refused_as_the_stage_refuses_it() -> None:
    with pytest.raises(UserError, match="nowhere"):
        find_material(section("source=local", "source.path=nowhere"))


@pytest.fixture(scope="module")
def hub() -> Iterator[FakeHub]:
    ids = pyarrow.table({"blob_id": [f"{number:040x}" for number in range(3000)]})
    files = {
        "texts/a.parquet": parquet_bytes(pyarrow.Table.from_pylist(rows(4000))),
        "ids/a.parquet": parquet_bytes(ids),
    }
    with FakeHub(files, repo_id="me/data") as hub, pytest.MonkeyPatch.context() as patch:
        template = f"{hub.endpoint}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        patch.setattr(constants, "ENDPOINT", hub.endpoint)
        patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        yield hub


def of_the_hub(path: str, *overrides: str) -> Material:
    return find_material(
        section("source=hub", "source.repo_id=me/data", f"source.paths=[{path}]", *overrides)
    )


def test_a_dataset_of_the_hub_is_measured_by_its_list_and_its_footer(hub: FakeHub) -> None:
    whole = of_the_hub("texts/*.parquet", "source.max_rows=null")
    assert whole.documents == 4000
    assert whole.network_bytes > 0
    some = of_the_hub("texts/*.parquet", "source.max_rows=1000")
    assert some.documents == 1000
    assert some.network_bytes == pytest.approx(whole.network_bytes / 4, rel=NEAR)


def test_each_row_of_ids_is_a_request(hub: FakeHub) -> None:
    found = of_the_hub(
        "ids/*.parquet",
        "source.content=software_heritage",
        "source.columns={id: blob_id}",
        "source.max_rows=2000",
    )
    assert found.requests == found.documents == 2000
    assert found.raw_bytes > found.network_bytes


def test_a_material_scales() -> None:
    material = Material(200, 100, 10, "a test", 50, 5)
    assert scaled(material, 1000) == Material(2000, 1000, 100, "a test", 500, 50)
