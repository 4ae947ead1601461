from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stages.download.downloading import TOLERANCES, download
from tests.fakes import stack_rows
from tests.fakes.blobs import contents, sample_blobs
from tests.fakes.content_store import FakeContentStore
from tests.fakes.faults import FOREVER
from tests.fakes.hub import FakeHub
from tests.fakes.stack_rows import parquet_bytes
from tests.tiny import runtime
from tests.tohum.fetch.test_contents import OPEN, SOURCE, Project, ask, files
from tohum.errors import UserError
from tohum.formats.raw import read_raw
from tohum.sources.config import MixSource
from tohum.sources.local import LocalSource

pytestmark = pytest.mark.slow


BLOBS = sample_blobs(60)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def local(root: Path, name: str, **texts: str) -> LocalSource:
    for stem, text in texts.items():
        path = root / name / f"{stem}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return LocalSource("local", name, "MIT", [], [], 10**6, 10**6, 10**9)


@pytest.mark.parametrize("renames", [0, 1, 2])
@pytest.mark.parametrize("after", [True, False])
def test_a_kill_while_publishing_leaves_the_old_or_the_new_whole(
    project: Path, renames: int, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ended before or after each rename to or from data/raw."""
    out = project / "data" / "raw"
    download(local(project, "old", a="old\n"), out, runtime())
    new, real, count = local(project, "new", a="new\n"), Path.replace, 0

    def rename(path: Path, target: Path) -> Path:
        nonlocal count
        if out not in (path, target):
            return real(path, target)
        count += 1
        if count == renames and not after:
            raise KeyboardInterrupt
        moved = real(path, target)
        if count == renames and after:
            raise KeyboardInterrupt
        return moved

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", rename)
        if renames:
            with pytest.raises(KeyboardInterrupt):
                download(new, out, runtime())
    if out.exists():
        assert len(list(read_raw(out))) == 1
    download(new, out, runtime())
    assert [content for _, content in read_raw(out)] == [b"new\n"]
    assert not [path for path in (project / ".work").rglob("*") if path.is_file()][3:]


def test_each_source_of_a_mix_has_its_folder_and_its_hashes(project: Path) -> None:
    mix = MixSource(
        "mix", {"a": local(project, "one", x="1\n"), "b": local(project, "two", y="2\n")}
    )
    out = project / "data" / "raw"
    download(mix, out, runtime())
    assert {name for name in files(out) if name.endswith(".tar")} == {
        "a/part-00000.tar",
        "b/part-00000.tar",
    }
    first = files(out)
    download(mix, out, runtime())
    assert files(out) == first


def test_a_mix_keeps_what_is_complete_when_a_later_source_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeContentStore(contents(BLOBS)) as store, FakeHub({}, repo_id="a/b") as hub:
        ask(hub, monkeypatch, tmp_path)
        project = Project(tmp_path, store, hub)
        project.offer(stack_rows.stack_v2(BLOBS[:30]), stack_rows.stack_v2(BLOBS[30:]))
        halves = {name: replace(OPEN, paths=[f"{name}.parquet"]) for name in ("0", "1")}
        mix = MixSource("mix", {**halves, "2": replace(SOURCE, paths=["nothing.parquet"])})
        with pytest.raises(UserError, match=r"nothing\.parquet"):
            project.download(mix)
        asked = set(store.fetches)
        store.fetches.clear()
        [revision] = hub.revisions.values()
        revision.files["nothing.parquet"] = parquet_bytes(stack_rows.stack_v2(sample_blobs(5)))
        project.download(mix)
        assert set(store.fetches).isdisjoint(asked), "nor what another source of the mix has"
        assert {path.name for path in project.raw.iterdir() if path.is_dir()} == {"0", "1", "2"}


def test_files_of_the_user_that_change_after_a_failed_mix_are_read_again(project: Path) -> None:
    first = local(project, "one", x="1\n")
    mix = MixSource("mix", {"a": first, "b": local(project, "two")})
    out = project / "data" / "raw"
    with pytest.raises(UserError, match="two"):
        download(mix, out, runtime())
    local(project, "one", x="changed\n")
    local(project, "two", y="2\n")
    download(mix, out, runtime())
    assert [content for _, content in read_raw(out / "a")] == [b"changed\n"]


@pytest.mark.parametrize("name", TOLERANCES)
def test_a_source_of_a_mix_may_have_the_name_of_a_value(project: Path, name: str) -> None:
    """All its values still count when an unfinished download is continued."""
    out = project / "data" / "raw"
    for folder in ("one", "two"):
        source = local(project, folder, x=f"{folder}\n")
        with pytest.raises(UserError, match="nothing"):
            download(
                MixSource("mix", {name: source, "z": local(project, "nothing")}), out, runtime()
            )
    source = replace(local(project, "two"), license="CC0-1.0")
    download(MixSource("mix", {name: source}), out, runtime())
    [(file, content)] = read_raw(out / name)
    assert (content, file.license) == (b"two\n", "CC0-1.0")


def test_two_downloads_of_other_values_at_once_do_not_disturb_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As two points of a sweep do: neither takes the other's unfinished work for left behind."""
    with FakeContentStore(contents(BLOBS), latency=0.05) as store, FakeHub({}, "a/b") as hub:
        ask(hub, monkeypatch, tmp_path)
        project = Project(tmp_path, store, hub)
        project.offer(stack_rows.stack_v2(BLOBS))
        project.prepare_stage(OPEN, connections=2)
        stage = project.start_stage()
        while not store.fetches:
            assert stage.poll() is None, stage.communicate()[1]
        download(replace(OPEN, min_file_bytes=200), tmp_path / "other", project.runtime())
        _, errors = stage.communicate(timeout=60)
        assert stage.returncode == 0, errors
        assert {file.id for file, _ in read_raw(tmp_path / "other")} < {
            file.id for file, _ in read_raw(project.raw)
        }


def test_a_store_that_fails_leaves_data_raw_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeContentStore(contents(BLOBS)) as store, FakeHub({}, repo_id="a/b") as hub:
        ask(hub, monkeypatch, tmp_path)
        project = Project(tmp_path, store, hub)
        project.offer(stack_rows.stack_v2(BLOBS))
        changes: dict[str, Any] = {"languages": ["Python"], "max_lost_share": 0.0}
        project.download(replace(OPEN, **changes))
        before = files(project.raw)
        store.blobs.clear()
        hub.fail(500, FOREVER, part="/lfs/")
        with pytest.raises(UserError, match="missing"):
            project.download(replace(OPEN, max_lost_share=0.0))
        assert files(project.raw) == before
