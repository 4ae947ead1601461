import hashlib
import json
import os
import random
import signal
import socket
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
from huggingface_hub import constants

from stages.compose.checking import check
from stages.compose.composition import compose, write_lock_file
from stages.download.downloading import download
from stages.jsonl.config import Jsonl
from stages.jsonl.conversion import convert
from tests.fakes import stack_rows
from tests.fakes.blobs import Blob, contents, sample_blobs
from tests.fakes.content_store import FakeContentStore, Fault
from tests.fakes.faults import FOREVER
from tests.fakes.hub import FakeHub
from tests.fakes.stack_rows import parquet_bytes, released_text
from tests.tiny import runtime
from tohum.config.runtime import Runtime
from tohum.errors import UserError
from tohum.fetch import row_tables as rows_module
from tohum.fetch.addresses import public_url
from tohum.fetch.row_rules import WANTED
from tohum.fetch.selection import SELECTION, VERDICTS, FileRows, select
from tohum.formats import raw as raw_module
from tohum.formats.outcomes import LOST
from tohum.formats.raw import read_manifest, read_raw
from tohum.formats.records import read_records, shard_paths
from tohum.gitignore import Patterns
from tohum.sources.config import MixSource, Source
from tohum.sources.hub import HubSource

pytestmark = pytest.mark.slow


PROJECT = Path(__file__).parents[3]
BLOBS = sample_blobs(700)
SMALL_BATCHES = {False: 60, True: 5}
SMALL_ARCHIVE = 40_000
DRIVER = """
import resource, sys
from stages.download.__main__ import main
from tohum.fetch import row_tables
from tohum.formats import raw
from tohum.process import run_stage
row_tables.READ_ROWS = {False: 60, True: 5}
raw.ARCHIVE_BYTES = 40_000
if len(sys.argv) > 1:
    resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]),) * 2)
    row_tables.READ_ROWS = {False: 5}
    raw.ARCHIVE_BYTES = 1 << 30
run_stage("download", main)
"""
IGNORED = ["dist/", "*.cs"]
LEAST, MOST = 150, 700  # bytes

Files = dict[str, bytes]


def composed(preset: str) -> HubSource:
    """The source of a preset, as it is at the fake Hub."""
    source = check(compose(PROJECT / "conf", [f"source={preset}"])).source
    assert isinstance(source, HubSource)
    return replace(
        source,
        repo_id="a/b",
        revision="main",
        paths=["*.parquet"],
        max_rows=None,
        exclude_paths=IGNORED if source.exclude_paths else [],
        min_file_bytes=LEAST if source.min_file_bytes else 0,
        max_file_bytes=MOST if source.max_file_bytes else None,
    )


SOURCE = composed("stack_v2")
TOLERANT = replace(SOURCE, max_lost_share=1.0)
OPEN = replace(
    TOLERANT,
    exclude_vendored=False,
    exclude_generated=False,
    exclude_paths=[],
    min_file_bytes=0,
    max_file_bytes=None,
)
CONFIG: Jsonl = replace(
    check(compose(PROJECT / "conf", ["source=stack_v2"])).jsonl,
    shard_bytes=20_000,
    min_bytes=1,
    max_bytes=10**6,
)


def plain(columns: dict[str, str], content: str) -> HubSource:
    """A source without rules."""
    return replace(OPEN, columns=columns, content=content)


class Project:
    """A project folder, a Hub with tables of rows, and the store that has the contents."""

    def __init__(self, root: Path, store: FakeContentStore, hub: FakeHub) -> None:
        self.root, self.store, self.hub = root, store, hub
        self.raw, self.out = root / "data" / "raw", root / "data" / "jsonl"
        self.metrics = root / "metrics" / "jsonl.json"
        self.opt_out = root / "conf" / "opt_out.txt"

    def offer(self, *tables: pyarrow.Table) -> None:
        """Has the Hub's dataset be these tables."""
        [revision] = self.hub.revisions.values()
        revision.files.clear()
        for number, table in enumerate(tables):
            revision.files[f"{number}.parquet"] = parquet_bytes(table, 100)

    def runtime(self, connections: int = 16, **values: Any) -> Runtime:
        return replace(
            runtime(),
            content_url=self.store.content_url,
            connections=connections,
            timeout_seconds=1,
            **values,
        )

    def download(self, source: Source | MixSource = SOURCE, connections: int = 16) -> None:
        download(source, self.raw, self.runtime(connections))

    def convert(self, config: Jsonl = CONFIG) -> None:
        convert(
            config,
            runtime(),
            raw=self.raw,
            out=self.out,
            metrics=self.metrics,
            plot=self.metrics.with_name("rules.csv"),
            opt_out=self.opt_out,
        )

    def run(self, source: Source | MixSource = SOURCE, connections: int = 16) -> None:
        """Both stages."""
        self.download(source, connections)
        self.convert()

    def prepare_stage(self, source: HubSource = SOURCE, **values: Any) -> None:
        """Writes what `python -m stages.download` reads."""
        composed = compose(PROJECT / "conf", ["source=stack_v2"])
        write_lock_file(self.root / "params.lock.yaml", composed | {"source": asdict(source)})
        (self.root / "dvc.yaml").touch()
        (self.root / "conf").mkdir(exist_ok=True)
        known = asdict(self.runtime()) | {"timeout_seconds": 1} | values
        (self.root / "conf" / "runtime.yaml").write_text(yaml.safe_dump(known))

    def start_stage(self, *arguments: str) -> "subprocess.Popen[str]":
        command = [sys.executable, *(arguments or ("-m", "stages.download"))]
        environment = {name: value for name, value in os.environ.items() if name != "DVC_ROOT"}
        environment |= {
            "PYTHONPATH": str(PROJECT),
            "HF_ENDPOINT": self.hub.endpoint,
            "HF_HOME": str(self.root / "hf"),
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }
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

    def fetched(self) -> Counter[str]:
        """How often each blob was asked for."""
        ids = self.store.blobs
        return Counter({id: count for id, count in self.store.fetches.items() if id in ids})

    def hub_files(self) -> list[str]:
        """The files of the dataset whose bytes were asked for."""
        return [request.path for request in self.hub.requests if request.server == "cdn"]


def files(folder: Path) -> Files:
    """Every file below a folder, by its path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def ask(hub: FakeHub, patch: pytest.MonkeyPatch, root: Path) -> None:
    """Makes this process ask the fake Hub, in a project at `root`."""
    patch.setattr(constants, "ENDPOINT", hub.endpoint)
    template = f"{hub.endpoint}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    patch.delenv("DVC_ROOT", raising=False)
    patch.chdir(root)
    patch.setattr(rows_module, "READ_ROWS", SMALL_BATCHES)
    patch.setattr(raw_module, "ARCHIVE_BYTES", SMALL_ARCHIVE)


@pytest.fixture
def store() -> Iterator[FakeContentStore]:
    with FakeContentStore(contents(BLOBS)) as store:
        yield store


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub({}, repo_id="a/b") as hub:
        yield hub


@pytest.fixture
def project(
    tmp_path: Path, store: FakeContentStore, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> Project:
    ask(hub, monkeypatch, tmp_path)
    project = Project(tmp_path, store, hub)
    project.offer(stack_rows.stack_v2(BLOBS[:400]), stack_rows.stack_v2(BLOBS[400:]))
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
        elif blob.length_bytes < LEAST:
            reason = "smaller than min_file_bytes"
        elif blob.length_bytes > MOST:
            reason = "larger than max_file_bytes"
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
    lost = sum(counts[reason] for reason in LOST)
    assert counts["files"] == files
    assert counts["documents"] + lost + sum(counts["filtered"].values()) == files
    assert counts["documents"] == len(project.records())
    assert files - counts["documents"] == len(project.dropped())
    assert counts["bytes"] == sum(len(found["content"].encode()) for found in project.records())
    assert counts["shards"] == len(shard_paths(project.out))


def test_records_are_those_of_a_simple_loop(project: Project) -> None:
    project.run()
    records, dropped = reference(BLOBS)
    assert project.records() == records
    assert project.dropped() == dropped
    assert {reason for _, reason in dropped} >= {
        *("vendored", "generated", "smaller than min_file_bytes"),
        *("larger than max_file_bytes", "excluded path", "duplicate"),
    }
    used = {blob.encoding for blob in BLOBS} - {"UTF-8"}
    kept = {found["id"] for found in records}
    assert used == {blob.encoding for blob in BLOBS if blob.blob_id in kept} - {"UTF-8"}
    check_counts(project, len(BLOBS))
    assert len(shard_paths(project.out)) > 3


def test_only_what_is_wanted_is_fetched_and_each_once(project: Project) -> None:
    project.run()
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
    project.run(TOLERANT)
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
    project.offer(table.set_column(place, "src_encoding", claimed))
    project.download()
    project.convert(replace(CONFIG, max_lost_share=1))
    chinese = {blob.blob_id for blob in BLOBS if blob.encoding == "GB18030"}
    lost = {id for id, reason in project.dropped() if reason == "undecodable"}
    assert lost and lost <= chinese
    assert not {found["id"] for found in project.records()} & chinese
    check_counts(project, len(table))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """The data/raw for BLOBS of a run with nothing in its way."""
    root = tmp_path_factory.mktemp("undisturbed")
    with (
        FakeContentStore(contents(BLOBS)) as store,
        FakeHub({}, repo_id="a/b") as hub,
        pytest.MonkeyPatch.context() as patch,
    ):
        ask(hub, patch, root)
        project = Project(root, store, hub)
        project.offer(stack_rows.stack_v2(BLOBS[:400]), stack_rows.stack_v2(BLOBS[400:]))
        project.download()
        found = files(project.raw)
    assert sum(name.endswith(".tar") for name in found) > 3
    return found


@pytest.mark.parametrize("connections", [1, 7, 64])
def test_bytes_are_equal_with_any_number_of_connections(
    project: Project, undisturbed: Files, connections: int
) -> None:
    project.download(connections=connections)
    assert files(project.raw) == undisturbed
    assert project.store.max_concurrent <= project.store.connections <= connections


def test_bytes_are_equal_with_random_latency(project: Project, undisturbed: Files) -> None:
    class Random(float):
        def __bool__(self) -> bool:
            project.store.set_latency(Random(random.uniform(0.001, 0.05)))
            return True

    project.store.set_latency(Random(0.01))
    project.download(connections=32)
    assert files(project.raw) == undisturbed


def test_bytes_are_equal_whatever_the_batches_that_are_read(
    project: Project, undisturbed: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows_module, "READ_ROWS", {False: 4096, True: 64})
    project.download()
    assert files(project.raw) == undisturbed


def test_faults_that_heal_change_no_byte(project: Project, undisturbed: Files) -> None:
    chance = random.Random(7)
    ids = [found["id"] for found in reference(BLOBS)[0]]
    faults = [fault for fault in Fault if fault is not Fault.NO_SUCH_KEY]
    for number, id in enumerate(chance.sample(ids, max(len(faults), len(ids) // 50))):
        project.store.fail(faults[number % len(faults)], chance.choice((1, 2)), id)
    project.download()
    assert files(project.raw) == undisturbed


def test_the_stage_itself_writes_the_same(project: Project, undisturbed: Files) -> None:
    project.prepare_stage()
    stage = project.start_stage("-c", DRIVER)
    _, told = stage.communicate(timeout=60)
    assert stage.returncode == 0, told
    assert files(project.raw) == undisturbed
    assert f"{len(reference(BLOBS)[0])} files" in told


def test_archives_hold_each_file_under_its_id_with_its_provenance(project: Project) -> None:
    project.download()
    by_id = {blob.blob_id: blob for blob in BLOBS}
    found = list(read_raw(project.raw))
    assert [file.id for file, _ in found] == [found["id"] for found in reference(BLOBS)[0]]
    for file, content in found:
        blob = by_id[file.id]
        assert content == blob.content and hashlib.sha256(content).hexdigest() == file.sha256
        assert (file.encoding, file.language) == (blob.encoding, blob.language)
    listed = subprocess.run(
        ["tar", "-tf", project.raw / "part-00001.tar"], capture_output=True, text=True, check=True
    ).stdout.split()
    assert listed == [file.id for file, _ in found if file.archive == "part-00001.tar"]


def test_jsonl_needs_no_network(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.download()

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("jsonl has opened a socket")

    with monkeypatch.context() as patch:
        patch.setattr(socket, "socket", forbidden)
        patch.setattr(socket, "create_connection", forbidden)
        project.convert()
    assert project.records() == reference(BLOBS)[0]


def test_killed_at_any_moment_the_stage_resumes_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGKILL, 10 times; a blob is fetched again only if it was on its way in a kill."""
    connections, kills = 8, 10
    blobs = sample_blobs(1500, seed=5)
    chance = random.Random()
    for name in ("calm", "killed"):
        (tmp_path / name).mkdir()
    with FakeHub({}, repo_id="a/b") as hub:
        with FakeContentStore(contents(blobs)) as store:
            ask(hub, monkeypatch, tmp_path / "calm")
            calm = Project(tmp_path / "calm", store, hub)
            calm.offer(stack_rows.stack_v2(blobs))
            calm.download(connections=64)
            expected = files(calm.raw)
        with FakeContentStore(contents(blobs), latency=0.045) as store:
            project = Project(tmp_path / "killed", store, hub)
            project.prepare_stage(connections=connections)
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
            assert files(project.raw) == expected
            again = sum(count - 1 for count in project.fetched().values())
            assert again <= kills * connections
            assert set(project.fetched()) == {file.id for file in read_manifest(project.raw)}
    left = [path for path in (tmp_path / "killed" / ".work").rglob("*") if path.is_file()]
    assert [path.suffix for path in left] == [".lock"]


def kill_after(project: Project, count: int) -> None:
    """Starts the stage, and kills it when so many blobs have been asked for."""
    stage = project.start_stage("-c", DRIVER)
    while len(project.store.fetches) < count:
        time.sleep(0.005)
        assert stage.poll() is None
    stage.send_signal(signal.SIGKILL)
    stage.communicate()


def test_what_a_killed_run_has_is_kept_when_the_rules_change(project: Project) -> None:
    """In archives, in journals, and in those of a run before the last one."""
    project.store.set_latency(0.02)
    for count, source in ((150, SOURCE), (250, replace(SOURCE, min_file_bytes=200))):
        project.prepare_stage(source, connections=4)
        kill_after(project, count)
    assert len(list((project.root / ".work").rglob("part-*.tar"))) > 2
    assert list((project.root / ".work").rglob("*.journal"))
    project.store.set_latency(0)
    project.run(replace(SOURCE, min_stars=0, exclude_vendored=True, languages=[]), 4)
    assert project.records() == reference(BLOBS)[0]
    assert sum(count - 1 for count in project.fetched().values()) <= 2 * 4
    assert project.hub_files() and len(project.hub_files()) == 2, "nor the rows again"


def test_a_store_that_is_down_ends_the_stage_and_a_later_run_resumes(
    project: Project, undisturbed: Files
) -> None:
    project.prepare_stage(connections=4, patience_seconds=1, timeout_seconds=1)
    project.store.set_latency(0.01)
    stage = project.start_stage("-c", DRIVER)
    while len(project.store.fetches) < 100:
        time.sleep(0.01)
        assert stage.poll() is None
    project.store.fail(Fault.ACCESS_DENIED, FOREVER)
    had = set(project.store.fetches)
    _, told = stage.communicate(timeout=60)
    assert stage.returncode == 1
    assert "download: error: " in told and "has given nothing for" in told
    assert not project.raw.exists()
    project.store.heal()
    project.store.fetches.clear()
    stage = project.start_stage("-c", DRIVER)
    _, told = stage.communicate(timeout=60)
    assert stage.returncode == 0, told
    assert files(project.raw) == undisturbed
    assert len(had & set(project.store.fetches)) <= 4


def test_a_store_that_refuses_all_for_a_while_changes_no_byte(
    project: Project, undisturbed: Files
) -> None:
    project.store.fail(Fault.ACCESS_DENIED, FOREVER)
    healing = threading.Timer(0.7, project.store.heal)
    healing.start()
    project.download()
    assert files(project.raw) == undisturbed
    healing.join()


def test_a_last_blob_that_is_refused_is_missing_and_stops_nothing(project: Project) -> None:
    last = reference(BLOBS)[0][-1]["id"]
    project.store.fail(Fault.ACCESS_DENIED, FOREVER, last)
    project.run(TOLERANT, connections=1)
    assert (project.records(), project.dropped()) == reference(BLOBS, frozenset({last}))


def test_too_many_lost_fail_and_what_was_fetched_is_kept(project: Project) -> None:
    """A higher share asks for nothing; another run asks for the lost ones alone."""
    missing = frozenset(found["id"] for found in reference(BLOBS)[0][::10])
    gone = {id: project.store.blobs.pop(id) for id in missing}
    strict = replace(SOURCE, max_lost_share=0.05)
    for _ in range(3):
        project.store.fetches.clear()
        with pytest.raises(UserError, match=rf"{len(missing)} missing.*max_lost_share \(5\.0%\)"):
            project.download(strict)
        assert not project.raw.exists()
    assert set(project.store.fetches) == missing
    copies = (project.root / ".work").rglob("part-00000.tar")
    assert len(list(copies)) == 2, "this try and the one before it, however many there were"
    asked = len(project.store.requests)
    project.run(replace(SOURCE, max_lost_share=0.2))
    assert len(project.store.requests) == asked
    records, dropped = reference(BLOBS, missing)
    assert project.records() == records
    assert project.dropped() == dropped
    check_counts(project, len(BLOBS))
    project.store.blobs |= gone
    project.store.fetches.clear()
    project.run(strict)
    assert set(project.store.fetches) == missing, "they have come back"
    assert project.records() == reference(BLOBS)[0]


def test_columns_that_were_wrong_are_put_right_without_a_fetch(project: Project) -> None:
    wrong = {name: column for name, column in SOURCE.columns.items() if name != "encoding"}
    with pytest.raises(UserError, match="undecodable"):
        project.run(replace(SOURCE, columns=wrong))
    asked = len(project.store.requests)
    project.run()
    assert project.records() == reference(BLOBS)[0]
    assert len(project.store.requests) == asked


def test_no_file_at_all_is_an_error(project: Project) -> None:
    with pytest.raises(UserError, match=r"'a/b' has no files to train on: none of its 700 rows"):
        project.download(replace(SOURCE, languages=["COBOL"]))
    assert project.store.requests == []


def test_other_rules_ask_the_network_for_the_rest_alone(
    project: Project, tmp_path: Path, hub: FakeHub
) -> None:
    project.download(replace(SOURCE, languages=["Python", "C#"]))
    first = {file.id for file in read_manifest(project.raw)}
    for path in [project.raw, *project.raw.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)  # as DVC leaves them
    project.raw.chmod(0o755)
    project.store.fetches.clear()
    project.download()
    second = {file.id for file in read_manifest(project.raw)}
    assert first < second
    assert set(project.store.fetches) == second - first
    assert len(project.hub_files()) == 2, "each file of rows once"
    wider = files(project.raw)
    project.store.fetches.clear()
    project.download(replace(SOURCE, languages=["Python"]))
    project.download()
    assert files(project.raw) == wider, "the bytes don't depend on what was there"
    assert set(project.store.fetches) <= second - first | second


def test_a_narrower_rule_asks_for_nothing_and_gives_what_a_first_run_gives(
    project: Project,
) -> None:
    narrow = replace(SOURCE, languages=["Python"])
    project.download(narrow)
    expected = files(project.raw)
    project.download()
    asked = len(project.store.requests)
    project.download(narrow)
    assert len(project.store.requests) == asked
    assert files(project.raw) == expected


def test_stored_contents_are_found_from_a_mix_and_in_one(project: Project) -> None:
    project.download()
    asked = len(project.store.requests)
    project.download(MixSource("mix", {"stack": SOURCE, "again": replace(SOURCE, min_stars=1)}))
    project.convert()
    assert {found["source"] for found in project.records()} == {"stack"}, "the others are copies"
    project.download()
    project.convert()
    assert project.records() == reference(BLOBS)[0]
    assert len(project.store.requests) == asked
    assert len(project.hub_files()) == 2


@pytest.mark.parametrize("place", [600, 3], ids=["content", "name"])
def test_of_a_damaged_archive_only_what_is_damaged_is_fetched_again(
    project: Project, place: int, caplog: pytest.LogCaptureFixture
) -> None:
    project.download()
    before = files(project.raw)
    damage(project.raw / "part-00000.tar", place)
    project.store.fetches.clear()
    project.download()
    assert files(project.raw) == before
    assert len(project.store.fetches) == 1
    assert "part-00000.tar, or the manifest.jsonl beside it, is damaged" in caplog.text


def damage(path: Path, place: int) -> None:
    """Flips a bit."""
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("part", [b'"id":"', b'"offset":', b'"bytes":', b'"archive":"part', b"{"])
def test_of_a_damaged_manifest_the_other_lines_are_used(project: Project, part: bytes) -> None:
    project.download()
    before = files(project.raw)
    damage(project.raw / "manifest.jsonl", before["manifest.jsonl"].index(part) + len(part))
    project.store.fetches.clear()
    project.download()
    assert files(project.raw) == before
    assert len(project.store.fetches) == 1


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
    project.download()
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
    project.offer(stack_rows.train_ids(BLOBS))
    project.run(composed("stack_v2_train_smol"))
    assert (project.records(), project.dropped()) == reference(by_repository(BLOBS))


def test_contents_in_the_rows_need_no_store(project: Project) -> None:
    source = composed("stack_v3")
    assert source.content == "inline"
    project.offer(stack_rows.stack_v3(BLOBS))
    project.run(replace(source, min_file_bytes=0, max_file_bytes=None))
    texts = {found["id"]: found["content"] for found in project.records()}
    blobs = {blob.blob_id: released_text(blob) for blob in BLOBS}
    assert len(texts) > 300
    assert texts == {id: blobs[id].removeprefix("\ufeff") for id in texts}
    assert project.store.requests == []
    check_counts(project, len(BLOBS))


def test_contents_without_an_id_are_named_by_their_sha1(project: Project) -> None:
    columns = {"content": "content", "path": "path", "repo": "repository_name"}
    project.offer(stack_rows.stack_smol(BLOBS))
    project.run(plain(columns, "inline"))
    expected = {hashlib.sha1(blob.text.encode()).hexdigest() for blob in BLOBS}
    named = {found["id"] for found in project.records()} | {id for id, _ in project.dropped()}
    assert named == expected
    assert project.counts()["filtered"]["duplicate"] > 0
    check_counts(project, len(BLOBS))


def test_an_encoding_beside_contents_says_nothing_of_them(project: Project) -> None:
    text = "Şifre boş değil, güvenli\n" * 9
    table = pyarrow.table({"id": ["a" * 40], "content": [text], "encoding": ["ISO-8859-9"]})
    project.offer(table)
    project.run(plain({name: name for name in table.column_names}, "inline"))
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
    project.offer(url_table(store, blobs, with_ids))
    project.run(plain(columns, "url"))
    kept = [blob for number, blob in enumerate(blobs) if number != 3]
    assert [found["id"] for found in project.records()] == [blob.blob_id for blob in kept]
    assert [found["content"] for found in project.records()] == [
        blob.text.removeprefix("\ufeff") for blob in kept
    ]
    name = blobs[3].blob_id if with_ids else store.raw_url("3.txt")
    assert project.dropped() == [(name, "missing")]
    asked = len(store.requests)
    del store.raw["9.txt"]
    project.download(replace(plain(columns, "url"), max_rows=20))
    assert len(store.requests) == asked + 1, "the missing one alone"


def test_urls_without_ids_are_not_each_others_duplicates(project: Project) -> None:
    store = project.store
    blobs = list({blob.blob_id: blob for blob in BLOBS[:40]}.values())
    store.raw = {f"{number}.txt": blob.content for number, blob in enumerate(blobs)}
    table = url_table(store, blobs, False)
    table = table.append_column("sha1", pyarrow.nulls(len(table), pyarrow.string()))
    project.offer(table)
    project.run(plain({"url": "url", "encoding": "enc", "id": "sha1"}, "url"))
    assert [found["id"] for found in project.records()] == [blob.blob_id for blob in blobs]


@pytest.mark.parametrize("rule", [{}, {"max_lines": 10**6}, {"redact": ["emails"]}])
def test_one_body_under_three_urls_is_one_document_whatever_the_rules(
    project: Project, rule: dict[str, Any]
) -> None:
    store = project.store
    store.raw = dict.fromkeys(("a.py", "b.py", "c.py"), b"print('one body')\n")
    urls = [store.raw_url(name) for name in store.raw]
    project.offer(pyarrow.table({"url": [*urls, urls[0]]}))
    project.download(plain({"url": "url"}, "url"))
    project.convert(replace(CONFIG, **rule))
    [record] = project.records()
    assert record["path"] == urls[0]
    assert project.counts()["filtered"] == {"duplicate": 3}
    check_counts(project, 4)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_one_large_archive_needs_no_more_open_files(project: Project) -> None:
    """A segment's journal stays on disk until an archive has it, but not open."""
    project.prepare_stage(OPEN, connections=4)
    stage = project.start_stage("-c", DRIVER, "110")
    _, told = stage.communicate(timeout=60)
    assert stage.returncode == 0, told
    assert [path.name for path in project.raw.glob("*.tar")] == ["part-00000.tar"]


def test_a_rule_on_texts_or_an_opt_out_fetches_nothing_again(project: Project) -> None:
    project.run()
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


def test_an_id_in_capitals_or_among_spaces_is_the_same_id(project: Project) -> None:
    blobs = list({blob.blob_id: blob for blob in BLOBS[:40]}.values())
    forms = [str.upper, str.title, " {} ".format, "\t{}\n".format, str.lower]
    ids = [form(blob.blob_id) for blob in blobs for form in forms]
    project.offer(pyarrow.table({"id": ids, "enc": [b.encoding for b in blobs for _ in forms]}))
    project.run(plain({"id": "id", "encoding": "enc"}, "software_heritage"))
    assert [found["id"] for found in project.records()] == [blob.blob_id for blob in blobs]
    assert project.fetched() == Counter(dict.fromkeys((blob.blob_id for blob in blobs), 1))
    assert project.counts()["filtered"] == {"duplicate": 4 * len(blobs)}
    check_counts(project, len(ids))


def test_what_is_no_sha1_is_not_asked_for(project: Project) -> None:
    good = BLOBS[0]
    odd = [
        good.blob_id[:-1],
        good.blob_id + "0",
        "g" * 40,
        "sha1:" + good.blob_id,
        "../x",
        "ş",
        " ",
    ]
    ids = [*odd, None, "", good.blob_id]
    project.offer(pyarrow.table({"id": ids, "enc": [good.encoding] * len(ids)}))
    project.run(plain({"id": "id", "encoding": "enc"}, "software_heritage"))
    assert [found["id"] for found in project.records()] == [good.blob_id]
    assert project.dropped() == [(id, "missing") for id in odd] + [("", "no id")] * 2
    lines = (project.raw / "dropped.jsonl").read_text("utf-8")
    assert lines.count("the id is not a SHA-1 of 40 hexadecimal digits") == len(odd)
    assert set(project.store.fetches) == {good.blob_id}


def test_no_secret_of_a_url_is_in_the_outputs_and_the_rows_keep_their_identity(
    project: Project,
) -> None:
    """Rows that differ in their query alone are fetched, told apart, and found again."""
    store = project.store
    store.raw = {"a.py": b"print(1)\n", "b.py": b"print(2)\n"}
    a, b, gone = (store.raw_url(name) for name in ("a.py", "b.py", "gone.py"))
    secret = b.replace("http://", "http://ayse:geheim@")
    urls = [a, f"{secret}?sig=geheim", f"{gone}?sig=geheim1", f"{gone}?sig=geheim2#geheim"]
    broken = "http://ayse:geheim/x@host:port/"
    project.offer(pyarrow.table({"url": [*urls, broken, urls[1]]}))
    source = plain({"url": "url"}, "url")
    project.run(source)
    assert [found["path"] for found in project.records()] == [a, b]
    written = [*files(project.raw).items(), *files(project.out).items()]
    for name, content in written:
        assert name.startswith("rows/") or b"geheim" not in content, name
    assert [file.url for file in read_manifest(project.raw)] == [a, public_url(urls[1])]
    named = [public_url(url) for url in (*urls[2:], broken)]
    reasons = ["missing"] * 3 + ["duplicate"]
    assert project.dropped() == list(zip([*named, public_url(urls[1])], reasons, strict=True))
    assert len({*named}) == 3
    asked = len(store.requests)
    project.run(replace(source, max_rows=2))
    assert len(store.requests) == asked, "both contents were found again"
    assert len(project.records()) == 2


@pytest.mark.parametrize("name", [SELECTION, VERDICTS])
def test_a_selection_that_rotted_is_made_again(project: Project, tmp_path: Path, name: str) -> None:
    project.download()
    rows = FileRows(sorted((project.raw / "rows").glob("*.parquet")), SOURCE.columns, "inline", "")
    work = tmp_path / "selecting"
    work.mkdir()
    selection = select(rows, SOURCE, work)
    kept = files(work)
    assert (selection.rows, selection.wanted) == (len(BLOBS), kept[VERDICTS].count(WANTED))
    damaged = bytearray(kept[name])
    damaged[len(damaged) // 2] ^= 1
    (work / name).write_bytes(damaged)
    assert select(rows, SOURCE, work) == selection
    assert {name: files(work)[name] for name in kept} == kept
