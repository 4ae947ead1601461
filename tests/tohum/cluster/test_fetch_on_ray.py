"""The stage download on real nodes of Ray, with one core each, against the fake Hub and store."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.fakes import stack_rows
from tests.fakes.blobs import contents, sample_blobs
from tests.fakes.content_store import FakeContentStore, Fault
from tests.fakes.faults import FOREVER
from tests.fakes.hub import FakeHub
from tests.fakes.ray_nodes import RayNodes, is_at_work
from tests.processes import PATIENCE
from tests.tohum.cluster.conftest import WITH_RAY
from tests.tohum.fetch.test_contents import OPEN, Project, files

pytestmark = [pytest.mark.slow, WITH_RAY]
BLOBS = sample_blobs(1500)
LOST = [blob.blob_id for blob in BLOBS[::50]]
DRIVER = """
from stages.download.__main__ import main
from tohum.fetch import row_tables, segment_tasks
from tohum.formats import raw
from tohum.process import run_stage
row_tables.READ_ROWS = {False: 50}
raw.ARCHIVE_BYTES = 60_000
segment_tasks.TASK_ROWS = 100
%s
run_stage("download", main)
"""


@pytest.fixture(scope="module")
def hub() -> Iterator[FakeHub]:
    with FakeHub({}, repo_id="a/b") as hub:
        yield hub


@pytest.fixture(scope="module")
def expected(hub: FakeHub, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What one machine writes."""
    with FakeContentStore(contents(BLOBS)) as store:
        project = project_at(tmp_path_factory.mktemp("alone"), store, hub)
        project.offer(stack_rows.stack_v2(BLOBS[:700]), stack_rows.stack_v2(BLOBS[700:]))
        download(project, None)
        assert len(list(project.raw.glob("*.tar"))) > 3
        return files(project.raw)


@pytest.fixture
def project(tmp_path: Path, hub: FakeHub, expected: dict[str, bytes]) -> Iterator[Project]:
    with FakeContentStore(contents(BLOBS)) as store:
        yield project_at(tmp_path, store, hub)


def project_at(root: Path, store: FakeContentStore, hub: FakeHub) -> Project:
    for id in LOST:
        store.blobs.pop(id, None)
    return Project(root, store, hub)


def download(project: Project, cluster: str | None, patch: str = "") -> str:
    """Runs the stage to its end, and returns what it has logged."""
    project.prepare_stage(OPEN, cluster=cluster)
    process = project.start_stage("-c", DRIVER % patch)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    return errors


def test_two_nodes_write_the_bytes_of_one_machine_in_spite_of_faults(
    nodes: RayNodes, project: Project, expected: dict[str, bytes]
) -> None:
    store = project.store
    store.fail(Fault.SLOW_DOWN, 30)
    for fault, blob in zip(
        (Fault.TRUNCATED, Fault.DISCONNECTED, Fault.INTERNAL_ERROR, Fault.NOT_GZIP) * 10,
        BLOBS[1::30],
        strict=False,
    ):
        store.fail(fault, 1, blob.blob_id)
    whole = "from tohum.sources import hub_whole_files\nhub_whole_files.TASK_BYTES = 1"
    said = download(project, nodes.address, whole)
    assert files(project.raw) == expected
    assert sum("tasks, " in line and "files/s" in line for line in said.splitlines()) == 2, said
    assert any("tasks, " in line and "MB/s" in line for line in said.splitlines()), said


def begun(project: Project, cluster: str) -> "subprocess.Popen[str]":
    """Starts the stage at a slow store, and returns it once a node has written results."""
    project.store.set_latency(0.05)
    project.prepare_stage(OPEN, cluster=cluster, connections=8)
    process = project.start_stage("-c", DRIVER % "")
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        for path in (project.root / ".work").rglob("segment-*.journal"):
            with suppress(OSError):
                if path.stat().st_size > 5000:
                    return process
        time.sleep(0.01)
    raise AssertionError("no node has written anything")


@pytest.mark.cluster
def test_a_worker_that_is_killed_costs_no_id_and_no_second_request(
    nodes: RayNodes, project: Project, expected: dict[str, bytes]
) -> None:
    process = begun(project, nodes.address)
    [victim, *_] = filter(is_at_work, nodes.workers())
    victim.kill()
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    assert "is done again" in errors
    assert files(project.raw) == expected
    again = sum(project.fetched().values()) - len(project.fetched())
    assert again <= 8  # those in flight


@pytest.mark.cluster
def test_a_stage_that_is_killed_goes_on_with_what_has_come(
    nodes: RayNodes, project: Project, expected: dict[str, bytes]
) -> None:
    process = begun(project, nodes.address)
    process.kill()
    process.communicate()
    time.sleep(1)  # its tasks end with it
    project.store.set_latency(0)
    download(project, nodes.address)
    assert files(project.raw) == expected
    again = sum(project.fetched().values()) - len(project.fetched())
    assert again <= 100


@pytest.mark.cluster
def test_rows_that_could_not_be_had_are_asked_for_again(
    nodes: RayNodes, project: Project, expected: dict[str, bytes]
) -> None:
    """By another run, here one of this machine alone."""
    for blob in BLOBS[3:40]:
        project.store.fail(Fault.OTHER_BYTES, FOREVER, blob.blob_id)
    download(project, nodes.address)
    assert files(project.raw) != expected
    project.store.heal()
    shutil.rmtree(project.raw)
    download(project, None)
    assert files(project.raw) == expected
