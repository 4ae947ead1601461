import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pyarrow
import pytest
import yaml

from stages.compose.checking import check
from stages.compose.composition import compose, write_lock_file
from stages.jsonl import rows as rows_module
from stages.jsonl.config import Jsonl
from stages.jsonl.conversion import convert
from tests.fakes import stack_rows
from tests.fakes.blobs import Blob, contents, sample_blobs
from tests.fakes.content_store import FakeContentStore, Fault
from tests.fakes.faults import FOREVER
from tests.fakes.stack_rows import parquet_bytes, released_text
from tohum.config.runtime import load_runtime
from tohum.errors import UserError
from tohum.files import write_json
from tohum.formats.records import read_records, shard_paths
from tohum.sources.config import HubSource
from tohum.sources.gitignore import Patterns

PROJECT = Path(__file__).parents[3]
BLOBS = sample_blobs(700)
SMALL_BATCHES = {False: 60, True: 5}
DRIVER = """
import resource, sys
from stages.jsonl import rows
from stages.jsonl.__main__ import main
from tohum.process import run_stage
rows.READ_ROWS = {False: 60, True: 5}
if len(sys.argv) > 1:
    resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]),) * 2)
run_stage("jsonl", main)
"""
OVERRIDES = ("jsonl.shard_bytes=20000", "jsonl.min_bytes=150", "jsonl.max_bytes=700")
IGNORED = ["dist/", "*.cs"]

Files = dict[str, bytes]


def composed(*overrides: str) -> tuple[HubSource, Jsonl]:
    config = check(compose(PROJECT / "conf", ["source=stack_v2", *OVERRIDES, *overrides]))
    assert isinstance(config.source, HubSource)
    return config.source, config.jsonl


SOURCE, CONFIG = composed(f"jsonl.exclude_paths={json.dumps(IGNORED)}", "jsonl.min_stars=0")
TOLERANT = replace(CONFIG, max_lost_share=1.0)


class Project:
    """A project folder with a data/raw of ids, and the store that has their contents."""

    def __init__(self, root: Path, store: FakeContentStore) -> None:
        self.root, self.store = root, store
        self.raw, self.out = root / "data" / "raw", root / "data" / "jsonl"
        self.metrics = root / "metrics" / "jsonl.json"
        self.opt_out = root / "conf" / "opt_out.txt"

    def write_raw(
        self,
        *tables: pyarrow.Table,
        columns: dict[str, str] = SOURCE.columns,
        content: str = "software_heritage",
    ) -> None:
        self.raw.mkdir(parents=True, exist_ok=True)
        lines = []
        for number, table in enumerate(tables):
            body = parquet_bytes(table, 100)
            (self.raw / f"{number}.parquet").write_bytes(body)
            digest = hashlib.sha256(body).hexdigest()
            lines.append(json.dumps({"file": f"{number}.parquet", "sha256": digest}) + "\n")
        (self.raw / "manifest.jsonl").write_text("".join(lines), "utf-8")
        facts = {"kind": "hub", "repo_id": "a/b", "content": content, "columns": columns}
        write_json(self.raw / "source.json", facts)

    def convert(self, config: Jsonl = CONFIG, connections: int = 16) -> None:
        runtime = replace(
            load_runtime(PROJECT / "conf" / "runtime.yaml"),
            content_url=self.store.content_url,
            connections=connections,
            progress=False,
            timeout_seconds=0.5,
        )
        convert(
            config,
            runtime,
            raw=self.raw,
            out=self.out,
            metrics=self.metrics,
            plot=self.metrics.with_name("rules.csv"),
            opt_out=self.opt_out,
        )

    def prepare_stage(self, config: Jsonl, **runtime: Any) -> None:
        """Writes what `python -m stages.jsonl` reads beside data/raw."""
        values = compose(PROJECT / "conf", ["source=stack_v2"])
        write_lock_file(self.root / "params.lock.yaml", values | {"jsonl": asdict(config)})
        known = yaml.safe_load((PROJECT / "conf" / "runtime.yaml").read_text("utf-8"))
        known |= {"content_url": self.store.content_url, "progress": False} | runtime
        (self.root / "conf").mkdir(exist_ok=True)
        (self.root / "conf" / "runtime.yaml").write_text(yaml.safe_dump(known))

    def start_stage(self, *arguments: str) -> "subprocess.Popen[str]":
        command = [sys.executable, *(arguments or ("-m", "stages.jsonl"))]
        environment = {name: value for name, value in os.environ.items() if name != "DVC_ROOT"}
        environment |= {"PYTHONPATH": str(PROJECT)}
        return subprocess.Popen(
            command, cwd=self.root, env=environment, stderr=subprocess.PIPE, text=True
        )

    def records(self) -> list[dict[str, Any]]:
        return [record for path in shard_paths(self.out) for record in read_records(path)]

    def dropped(self) -> list[tuple[str, str]]:
        lines = (self.out / "dropped.jsonl").read_text("utf-8").splitlines()
        return [(line["id"], line["reason"]) for line in map(json.loads, lines)]

    def counts(self) -> dict[str, Any]:
        counts: dict[str, Any] = json.loads(self.metrics.read_text())
        return counts

    def files(self) -> Files:
        """Every output by name."""
        paths = [*self.out.iterdir(), self.metrics]
        return {path.name: path.read_bytes() for path in paths}

    def fetched(self) -> Counter[str]:
        """How often each blob was asked for."""
        ids = self.store.blobs
        return Counter({id: count for id, count in self.store.fetches.items() if id in ids})


@pytest.fixture
def store() -> Iterator[FakeContentStore]:
    with FakeContentStore(contents(BLOBS)) as store:
        yield store


@pytest.fixture
def project(tmp_path: Path, store: FakeContentStore, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(rows_module, "READ_ROWS", SMALL_BATCHES)
    project = Project(tmp_path, store)
    project.write_raw(stack_rows.stack_v2(BLOBS[:400]), stack_rows.stack_v2(BLOBS[400:]))
    return project


def record(blob: Blob, text: str) -> dict[str, Any]:
    return {
        "content": text,
        "id": blob.blob_id,
        "source": "a/b",
        "path": blob.path.lstrip("/"),
        "repo": blob.repo_name,
        "license": "; ".join(blob.licenses),
    }


def reference(
    blobs: list[Blob], missing: frozenset[str] = frozenset()
) -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
    """The records and the dropped, by a loop that does one thing after another."""
    ignored = Patterns(IGNORED)
    records, dropped = [], []
    seen: set[str] = set()
    for blob in blobs:
        text = blob.text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
        if blob.is_vendor:
            reason = "vendored"
        elif blob.is_generated:
            reason = "generated"
        elif blob.length_bytes < CONFIG.min_bytes:
            reason = "shorter than min_bytes"
        elif blob.length_bytes > CONFIG.max_bytes:
            reason = "longer than max_bytes"
        elif ignored.cover(blob.path.lstrip("/")):
            reason = "excluded path"
        elif blob.blob_id in seen:
            reason = "duplicate"
        else:
            seen.add(blob.blob_id)
            reason = "missing" if blob.blob_id in missing else ""
        if reason:
            dropped.append((blob.blob_id, reason))
        else:
            records.append(record(blob, text))
    return records, dropped


def check_counts(project: Project, files: int) -> None:
    counts = project.counts()
    lost = counts["missing"] + counts["unreachable"] + counts["corrupt"] + counts["undecodable"]
    assert counts["files"] == files
    assert counts["documents"] + lost + sum(counts["filtered"].values()) == files
    assert counts["documents"] == len(project.records())
    assert files - counts["documents"] == len(project.dropped())
    assert counts["bytes"] == sum(len(found["content"].encode()) for found in project.records())
    assert counts["shards"] == len(shard_paths(project.out))


def test_records_are_those_of_a_simple_loop(project: Project) -> None:
    project.convert()
    records, dropped = reference(BLOBS)
    assert project.records() == records
    assert project.dropped() == dropped
    assert {reason for _, reason in dropped} >= {
        *("vendored", "generated", "shorter than min_bytes", "longer than max_bytes"),
        *("excluded path", "duplicate"),
    }
    used = {blob.encoding for blob in BLOBS} - {"UTF-8"}
    kept = {found["id"] for found in records}
    assert used == {blob.encoding for blob in BLOBS if blob.blob_id in kept} - {"UTF-8"}
    check_counts(project, len(BLOBS))
    assert len(shard_paths(project.out)) > 3


def test_only_what_is_wanted_is_fetched_and_each_once(project: Project) -> None:
    project.convert()
    wanted = {found["id"] for found in reference(BLOBS)[0]}
    assert project.fetched() == Counter(dict.fromkeys(wanted, 1))
    assert project.store.connections <= 16


def test_every_row_has_exactly_one_outcome(project: Project) -> None:
    """With every kind of loss; kept and dropped together are the rows, in their order."""
    wanted = [found["id"] for found in reference(BLOBS)[0]]
    gone = wanted[::20]
    for id in gone:
        del project.store.blobs[id]
    for fault, id in zip((Fault.OTHER_BYTES, Fault.NOT_GZIP), wanted[1::50], strict=False):
        project.store.fail(fault, FOREVER, id)
    project.convert(TOLERANT)
    kept, dropped = project.records(), project.dropped()
    assert Counter([found["id"] for found in kept] + [id for id, _ in dropped]) == Counter(
        blob.blob_id for blob in BLOBS
    )
    for outcomes in ([found["id"] for found in kept], [id for id, _ in dropped]):
        rows = iter(BLOBS)
        assert all(any(blob.blob_id == id for blob in rows) for id in outcomes)
    assert project.counts()["missing"] == len(gone)
    assert project.counts()["corrupt"] == 2
    check_counts(project, len(BLOBS))
    details = [json.loads(line) for line in (project.out / "dropped.jsonl").open()]
    assert {line["detail"] for line in details if line["reason"] == "missing"} == {"HTTP 404"}


def test_wrong_encodings_make_files_undecodable(project: Project) -> None:
    table = stack_rows.stack_v2([b for b in BLOBS if b.encoding in ("UTF-8", "GB18030")])
    place = table.schema.get_field_index("src_encoding")
    claimed = pyarrow.array(["UTF-8"] * len(table))
    project.write_raw(table.set_column(place, "src_encoding", claimed))
    project.convert(TOLERANT)
    chinese = {blob.blob_id for blob in BLOBS if blob.encoding == "GB18030"}
    lost = {id for id, reason in project.dropped() if reason == "undecodable"}
    assert lost and lost <= chinese
    assert not {found["id"] for found in project.records()} & chinese
    check_counts(project, len(table))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """The outputs for BLOBS of a run with nothing in its way."""
    with FakeContentStore(contents(BLOBS)) as store:
        project = Project(tmp_path_factory.mktemp("undisturbed"), store)
        with pytest.MonkeyPatch.context() as patch:
            patch.delenv("DVC_ROOT", raising=False)
            patch.chdir(project.root)
            project.write_raw(stack_rows.stack_v2(BLOBS[:400]), stack_rows.stack_v2(BLOBS[400:]))
            patch.setattr(rows_module, "READ_ROWS", SMALL_BATCHES)
            project.convert()
            return project.files()


@pytest.mark.parametrize("connections", [1, 7, 64])
def test_bytes_are_equal_with_any_number_of_connections(
    project: Project, undisturbed: Files, connections: int
) -> None:
    project.convert(connections=connections)
    assert project.files() == undisturbed
    assert project.store.max_concurrent <= project.store.connections <= connections


def test_bytes_are_equal_with_random_latency(project: Project, undisturbed: Files) -> None:
    class Random(float):
        def __bool__(self) -> bool:
            project.store.set_latency(Random(random.uniform(0.001, 0.05)))
            return True

    project.store.set_latency(Random(0.01))
    project.convert(connections=32)
    assert project.files() == undisturbed


def test_bytes_are_equal_whatever_the_batches_that_are_read(
    project: Project, undisturbed: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows_module, "READ_ROWS", {False: 4096, True: 64})
    project.convert()
    assert project.files() == undisturbed


def test_faults_that_heal_change_no_byte(project: Project, undisturbed: Files) -> None:
    chance = random.Random(7)
    ids = [found["id"] for found in reference(BLOBS)[0]]
    faults = [fault for fault in Fault if fault is not Fault.NO_SUCH_KEY]
    for number, id in enumerate(chance.sample(ids, max(len(faults), len(ids) // 50))):
        project.store.fail(faults[number % len(faults)], chance.choice((1, 2)), id)
    project.convert()
    assert project.files() == undisturbed


def test_the_stage_itself_writes_the_same(project: Project, undisturbed: Files) -> None:
    project.prepare_stage(CONFIG)
    stage = project.start_stage()
    _, told = stage.communicate(timeout=60)
    assert stage.returncode == 0, told
    assert project.files() == undisturbed
    assert f"{project.counts()['documents']} documents" in told


def test_killed_at_any_moment_the_stage_goes_on_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGKILL, 21 times; a blob is fetched again only if it was on its way in a kill."""
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.setattr(rows_module, "READ_ROWS", SMALL_BATCHES)
    connections, kills = 8, 21
    blobs = sample_blobs(3000, seed=5)
    chance = random.Random()
    (tmp_path / "calm").mkdir()
    with FakeContentStore(contents(blobs)) as store:
        calm = Project(tmp_path / "calm", store)
        calm.write_raw(stack_rows.stack_v2(blobs))
        monkeypatch.chdir(calm.root)
        calm.convert(connections=64)
        expected = calm.files()
    (tmp_path / "killed").mkdir()
    with FakeContentStore(contents(blobs), latency=0.045) as store:
        project = Project(tmp_path / "killed", store)
        project.write_raw(stack_rows.stack_v2(blobs))
        project.prepare_stage(CONFIG, connections=connections)
        for _ in range(kills):
            before = store.fetches.total()
            stage = project.start_stage("-c", DRIVER)
            while store.fetches.total() == before and stage.poll() is None:
                time.sleep(0.005)
            time.sleep(chance.uniform(0.1, 0.5))
            assert stage.poll() is None, "done before the last kill: make the store slower"
            stage.send_signal(signal.SIGKILL)
            stage.communicate()
        store.set_latency(0.001)
        stage = project.start_stage("-c", DRIVER)
        _, told = stage.communicate(timeout=60)
        assert stage.returncode == 0, told
        assert project.files() == expected
        again = sum(count - 1 for count in project.fetched().values())
        assert again <= kills * connections
        wanted = {found["id"] for found in project.records()}
        assert set(project.fetched()) == wanted
    work = tmp_path / "killed" / ".work"
    left = [path for path in (work / "jsonl").rglob("*") if path.is_file()]
    assert [path.suffix for path in left] == [".lock"]
    assert not list((work / "fetched").rglob("*.journal")), "what is kept is in the shards"


def test_a_store_that_is_down_ends_the_stage_and_a_later_run_goes_on(
    project: Project, undisturbed: Files
) -> None:
    project.prepare_stage(CONFIG, connections=4, patience_seconds=1, timeout_seconds=1)
    project.store.set_latency(0.01)
    stage = project.start_stage("-c", DRIVER)
    while len(project.store.fetches) < 100:
        time.sleep(0.01)
        assert stage.poll() is None
    project.store.fail(Fault.ACCESS_DENIED, FOREVER)
    had = set(project.store.fetches)
    _, told = stage.communicate(timeout=60)
    assert stage.returncode == 1
    assert "jsonl: error: 127.0.0.1 has given nothing for" in told
    assert not project.out.exists()
    project.store.heal()
    project.store.fetches.clear()
    stage = project.start_stage("-c", DRIVER)
    _, told = stage.communicate(timeout=60)
    assert stage.returncode == 0, told
    assert project.files() == undisturbed
    assert len(had & set(project.store.fetches)) <= 4


def test_a_store_that_refuses_all_for_a_while_changes_no_byte(
    project: Project, undisturbed: Files
) -> None:
    project.store.fail(Fault.ACCESS_DENIED, FOREVER)
    healing = threading.Timer(0.7, project.store.heal)
    healing.start()
    project.convert()
    assert project.files() == undisturbed
    healing.join()


def test_a_last_blob_that_is_refused_is_missing_and_stops_nothing(project: Project) -> None:
    last = reference(BLOBS)[0][-1]["id"]
    project.store.fail(Fault.ACCESS_DENIED, FOREVER, last)
    project.convert(TOLERANT, connections=1)
    assert (project.records(), project.dropped()) == reference(BLOBS, frozenset({last}))


def test_too_many_lost_fail_and_a_higher_share_goes_on_without_fetching(
    project: Project,
) -> None:
    missing = frozenset(found["id"] for found in reference(BLOBS)[0][::10])
    for id in missing:
        del project.store.blobs[id]
    strict = replace(CONFIG, max_lost_share=0.05)
    with pytest.raises(UserError, match=rf"{len(missing)} missing.*max_lost_share \(5\.0%\)"):
        project.convert(strict)
    assert not project.out.exists() and not project.metrics.exists()
    asked = len(project.store.requests)
    with pytest.raises(UserError, match="max_lost_share"):
        project.convert(strict)
    project.convert(replace(CONFIG, max_lost_share=0.2))
    assert len(project.store.requests) == asked
    records, dropped = reference(BLOBS, missing)
    assert project.records() == records
    assert project.dropped() == dropped
    check_counts(project, len(BLOBS))


def test_other_columns_are_other_work(project: Project) -> None:
    """What a first try with a wrong column has left must not be taken for the second's."""
    wrong = {name: column for name, column in SOURCE.columns.items() if name != "encoding"}
    project.write_raw(stack_rows.stack_v2(BLOBS), columns=wrong)
    with pytest.raises(UserError, match="undecodable"):
        project.convert()
    project.write_raw(stack_rows.stack_v2(BLOBS))
    project.convert()
    assert project.records() == reference(BLOBS)[0]


def test_no_record_at_all_is_an_error(project: Project) -> None:
    with pytest.raises(UserError, match=r"the corpus is empty: of 700 documents none"):
        project.convert(replace(CONFIG, languages=["COBOL"]))
    assert project.store.requests == []


@pytest.mark.parametrize(
    ("shard_bytes", "compression", "names"),
    [
        (None, "none", ["corpus.jsonl"]),
        (None, "zstd", ["corpus.jsonl.zst"]),
        (90_000, "zstd", ["part-00000.jsonl.zst", "part-00001.jsonl.zst"]),
    ],
)
def test_records_are_the_same_in_any_kind_of_shard(
    project: Project, shard_bytes: int | None, compression: str, names: list[str]
) -> None:
    project.convert(replace(CONFIG, shard_bytes=shard_bytes, compression=compression))
    assert [path.name for path in shard_paths(project.out)][: len(names)] == names
    assert project.records() == reference(BLOBS)[0]
    manifest = json.loads((project.out / "manifest.json").read_text())
    paths = shard_paths(project.out)
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    assert {shard["name"]: shard["sha256"] for shard in manifest["shards"]} == found


def by_repository(blobs: list[Blob]) -> list[Blob]:
    names = list(dict.fromkeys(blob.repo_name for blob in blobs))
    return [blob for name in names for blob in blobs if blob.repo_name == name]


def test_nested_ids_give_the_records_of_flat_ones_in_their_own_order(project: Project) -> None:
    source = check(compose(PROJECT / "conf", ["source=stack_v2_train_smol"])).source
    assert isinstance(source, HubSource)
    project.write_raw(stack_rows.train_ids(BLOBS), columns=source.columns)
    project.convert()
    assert (project.records(), project.dropped()) == reference(by_repository(BLOBS))


def test_contents_in_the_rows_need_no_store(project: Project) -> None:
    source = check(compose(PROJECT / "conf", ["source=stack_v3"])).source
    assert isinstance(source, HubSource) and source.content == "inline"
    project.write_raw(stack_rows.stack_v3(BLOBS), columns=source.columns, content="inline")
    project.convert(replace(CONFIG, min_bytes=1, max_bytes=10**6))
    texts = {found["id"]: found["content"] for found in project.records()}
    blobs = {blob.blob_id: released_text(blob) for blob in BLOBS}
    assert len(texts) > 300
    assert texts == {id: blobs[id].removeprefix("\ufeff") for id in texts}
    assert project.store.requests == []
    check_counts(project, len(BLOBS))


def test_contents_without_an_id_are_named_by_their_sha1(project: Project) -> None:
    columns = {"content": "content", "path": "path", "repo": "repository_name"}
    project.write_raw(stack_rows.stack_smol(BLOBS), columns=columns, content="inline")
    project.convert(TOLERANT)
    expected = {hashlib.sha1(blob.text.encode()).hexdigest() for blob in BLOBS}
    named = {found["id"] for found in project.records()} | {id for id, _ in project.dropped()}
    assert named == expected
    assert project.counts()["filtered"]["duplicate"] > 0
    check_counts(project, len(BLOBS))


def test_an_encoding_beside_contents_says_nothing_of_them(project: Project) -> None:
    text = "Şifre boş değil, güvenli\n" * 9
    table = pyarrow.table({"id": ["a" * 40], "content": [text], "encoding": ["ISO-8859-9"]})
    columns = {name: name for name in table.column_names}
    project.write_raw(table, columns=columns, content="inline")
    project.convert()
    assert [found["content"] for found in project.records()] == [text]


def url_table(store: FakeContentStore, blobs: list[Blob], with_ids: bool) -> pyarrow.Table:
    columns: dict[str, Any] = {
        "url": [store.raw_url(f"{number}.txt") for number in range(len(blobs))],
        "enc": [blob.encoding for blob in blobs],
    }
    if with_ids:
        columns["sha1"] = [blob.blob_id for blob in blobs]
    return pyarrow.table(columns)


@pytest.mark.parametrize("with_ids", [True, False])
def test_plain_urls_are_fetched(project: Project, with_ids: bool) -> None:
    blobs = [blob for blob in BLOBS[:150] if blob.length_bytes <= 700]
    blobs = list({blob.blob_id: blob for blob in blobs}.values())
    store = project.store
    store.raw = {f"{number}.txt": blob.content for number, blob in enumerate(blobs)}
    del store.raw["3.txt"]
    store.fail(Fault.TRUNCATED, 1, "5.txt")
    columns = {"url": "url", "encoding": "enc"} | ({"id": "sha1"} if with_ids else {})
    project.write_raw(url_table(store, blobs, with_ids), columns=columns, content="url")
    project.convert(replace(TOLERANT, min_bytes=1))
    kept = [blob for number, blob in enumerate(blobs) if number != 3]
    assert [found["id"] for found in project.records()] == [blob.blob_id for blob in kept]
    assert [found["content"] for found in project.records()] == [
        blob.text.removeprefix("\ufeff") for blob in kept
    ]
    name = blobs[3].blob_id if with_ids else store.raw_url("3.txt")
    assert project.dropped() == [(name, "missing")]


def test_urls_without_ids_are_not_each_others_duplicates(project: Project) -> None:
    store = project.store
    blobs = list({blob.blob_id: blob for blob in BLOBS[:40]}.values())
    store.raw = {f"{number}.txt": blob.content for number, blob in enumerate(blobs)}
    table = url_table(store, blobs, False)
    table = table.append_column("sha1", pyarrow.nulls(len(table), pyarrow.string()))
    columns = {"url": "url", "encoding": "enc", "id": "sha1"}
    project.write_raw(table, columns=columns, content="url")
    project.convert(replace(TOLERANT, min_bytes=1, max_bytes=10**6))
    assert [found["id"] for found in project.records()] == [blob.blob_id for blob in blobs]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_one_large_shard_needs_no_more_open_files(project: Project) -> None:
    """A segment's journal stays on disk until a shard has it, but not open."""
    table = stack_rows.stack_smol(BLOBS).take([number % 700 for number in range(7000)])
    table = table.append_column("number", pyarrow.array([f"{n:040x}" for n in range(7000)]))
    columns = {"content": "content", "path": "path", "id": "number"}
    project.write_raw(table, columns=columns, content="inline")
    project.prepare_stage(replace(TOLERANT, shard_bytes=None), connections=4)
    stage = project.start_stage("-c", DRIVER, "110")
    _, told = stage.communicate(timeout=60)
    assert stage.returncode == 0, told
    assert project.counts()["shards"] == 1


def test_a_rule_on_texts_or_an_opt_out_fetches_nothing_again(project: Project) -> None:
    project.convert()
    records, asked = project.records(), len(project.store.requests)
    project.convert(replace(CONFIG, redact=["emails"], max_lines=12))
    assert len(project.records()) < len(records)
    unwanted = records[5]["id"]
    project.opt_out.parent.mkdir()
    project.opt_out.write_text(f"id {unwanted}\n")
    project.convert()
    assert project.records() == [record for record in records if record["id"] != unwanted]
    assert (unwanted, "opted out") in project.dropped()
    check_counts(project, len(BLOBS))
    project.opt_out.unlink()
    project.convert()
    assert project.records() == records
    assert len(project.store.requests) == asked
