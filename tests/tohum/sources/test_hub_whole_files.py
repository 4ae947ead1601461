import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.hub import COMMIT, FakeHub
from tests.tiny import runtime
from tohum.files import WRITER
from tohum.sources.hub_api import HubFile
from tohum.sources.hub_whole_files import TASK_FILES, WholeFiles, _tasks, take_whole
from tohum.sources.object_ids import SHA256, ObjectId
from tohum.sources.remote_file import RemoteFile

pytestmark = pytest.mark.slow

PATH = "data/a.parquet"
CONTENT = bytes(range(256)) * 1200


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub({PATH: CONTENT}) as hub:
        yield hub


def hub_file(hub: FakeHub, path: str = PATH, size: int = len(CONTENT)) -> HubFile:
    url = f"{hub.endpoint}/datasets/{hub.repo_id}/resolve/{COMMIT}/{path}"
    listed = ObjectId(SHA256, hashlib.sha256(CONTENT).hexdigest())
    return HubFile(path, COMMIT, RemoteFile(url, {"X-Secret": "x"}, size, listed))


def whole_files(root: Path) -> WholeFiles:
    (root / "raw" / "data").mkdir(parents=True, exist_ok=True)
    (root / "parts").mkdir(exist_ok=True)
    return WholeFiles(root / "raw", [], root / "parts")


def first_bytes(hub: FakeHub) -> list[str]:
    """The first byte that was asked for, in each request for bytes."""
    ranges = [request.headers["range"] for request in hub.requests if request.server == "cdn"]
    return [asked.removeprefix("bytes=").partition("-")[0] for asked in ranges]


def test_a_process_goes_on_with_what_another_has_and_leaves_it_alone(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup, file = whole_files(tmp_path), hub_file(hub)
    monkeypatch.setenv(WRITER, ".a")
    other = setup._begun(file, setup.folder / PATH)
    other.write_bytes(CONTENT[:1000])
    monkeypatch.setenv(WRITER, ".b")
    assert setup.take(file) == file.remote.object_id.value
    assert (setup.folder / PATH).read_bytes() == CONTENT
    assert first_bytes(hub) == ["1000"]
    assert other.read_bytes() == CONTENT[:1000]
    assert list(setup.parts.iterdir()) == [other]


def test_a_run_of_one_machine_goes_on_where_a_killed_node_was(hub: FakeHub, tmp_path: Path) -> None:
    setup, file = whole_files(tmp_path), hub_file(hub)
    with pytest.MonkeyPatch.context() as patch:
        for writer, have in ((".a", 2000), (".b", 1000)):
            patch.setenv(WRITER, writer)
            setup._begun(file, setup.folder / PATH).write_bytes(CONTENT[:have])
    assert take_whole([file], setup, runtime(), tmp_path) == [file.remote.object_id.value]
    assert first_bytes(hub) == ["2000"]
    assert [path.name for path in (setup.folder / "data").iterdir()] == ["a.parquet"]
    assert not setup.parts.exists()


def test_a_part_that_another_wrote_wrong_costs_a_second_request_alone(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup, file = whole_files(tmp_path), hub_file(hub)
    monkeypatch.setenv(WRITER, ".a")
    setup._begun(file, setup.folder / PATH).write_bytes(bytes(1000))
    monkeypatch.setenv(WRITER, ".b")
    setup.take(file)
    assert (setup.folder / PATH).read_bytes() == CONTENT
    assert first_bytes(hub) == ["1000", "0"]


def test_large_files_are_tasks_and_small_ones_go_together_without_secrets(hub: FakeHub) -> None:
    files = [hub_file(hub, "large", 1 << 30)]
    files += [hub_file(hub, f"{number}", 1000) for number in range(TASK_FILES + 1)]
    tasks = list(_tasks(files))
    assert [len(task.value) for task in tasks] == [1, TASK_FILES, 1]
    assert [file.path for task in tasks for file in task.value] == [file.path for file in files]
    assert not any(file.remote.headers for task in tasks for file in task.value)
