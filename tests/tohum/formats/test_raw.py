import json
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tiny import raw_file
from tohum.errors import UserError
from tohum.formats import raw
from tohum.formats.raw import (
    RawFile,
    RawWriter,
    Written,
    read_files,
    read_manifest,
    read_raw,
    tar_header,
    write_raw,
)

# Names as a file system allows them: Unicode without NUL, slashes only between parts.
PARTS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), min_size=1, max_size=120
)
NAMES = st.lists(PARTS, min_size=1, max_size=3).map("/".join)
FILES = st.lists(st.tuples(NAMES, st.binary(max_size=2000)), max_size=8)


def listed(path: str, content: bytes) -> tuple[RawFile, bytes]:
    return raw_file(path, content), content


def read_back(folder: Path) -> list[tuple[str, bytes]]:
    return [(file.path, content) for file, content in read_raw(folder)]


@settings(max_examples=40, deadline=None)
@given(FILES)
def test_files_come_back_with_their_names_in_order(files: list[tuple[str, bytes]]) -> None:
    with TemporaryDirectory() as name:
        write_raw(Path(name), "local", (listed(*file) for file in files), {})
        assert read_back(Path(name)) == files
        assert [file.path for file in read_manifest(Path(name))] == [path for path, _ in files]


@settings(max_examples=20, deadline=None)
@given(FILES)
def test_equal_files_make_equal_archives(files: list[tuple[str, bytes]]) -> None:
    with TemporaryDirectory() as name:
        written = []
        for folder in (Path(name) / "one", Path(name) / "two"):
            folder.mkdir()
            write_raw(folder, "local", (listed(*file) for file in files), {"binary": 1})
            written.append({path.name: path.read_bytes() for path in folder.iterdir()})
        assert written[0] == written[1]
        assert len(written[0]) == (3 if files else 2)


FIXED = [("a.py", b"one\n"), ("ğ" * 60 + ".py", b"two" * 300), ("empty", b""), ("z.py", b"end")]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw")
    write_raw(folder, "local", (listed(*file) for file in FIXED), {})
    return folder / "part-00000.tar"


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_damaged_byte_never_changes_what_is_read(archive: Path, data: st.DataObject) -> None:
    good = archive.read_bytes()
    at = data.draw(st.integers(0, len(good) - 1))
    damaged = bytearray(good)
    damaged[at] ^= data.draw(st.integers(1, 255))
    try:
        archive.write_bytes(damaged)
        assert [content for _, content in read_raw(archive.parent)] == [item[1] for item in FIXED]
    except UserError as error:
        assert "verify --here --delete" in str(error)
    finally:
        archive.write_bytes(good)


def damage(archive: Path, old: bytes, new: bytes) -> None:
    content = archive.read_bytes()
    assert content.count(old) == 1
    archive.write_bytes(content.replace(old, new))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_raw(tmp_path, "local", [listed("a.py", b"first"), listed("b.py", b"second")], {})
    return tmp_path


def test_a_damaged_file_is_refused_by_name(folder: Path) -> None:
    damage(folder / "part-00000.tar", b"second", b"sekond")
    read = read_raw(folder)
    assert next(read)[1] == b"first"
    with pytest.raises(UserError) as caught:
        next(read)
    assert "part-00000.tar: b.py does not have the SHA-256" in str(caught.value)
    assert "then `dvc repro download`" in str(caught.value)


@pytest.mark.parametrize("size", [0, 100, 512, 700, 1500])
def test_a_truncated_archive_is_refused(folder: Path, size: int) -> None:
    archive = folder / "part-00000.tar"
    archive.write_bytes(archive.read_bytes()[:size])
    with pytest.raises(UserError, match=r"part-00000\.tar.* damaged.*dvc repro download"):
        read_back(folder)


def test_a_damaged_header_changes_nothing_that_is_read(folder: Path) -> None:
    """Where a file begins is in the manifest; only `tar` needs the header."""
    damage(folder / "part-00000.tar", b"repo/a.py", b"repo/c.py")
    assert read_back(folder) == [("a.py", b"first"), ("b.py", b"second")]


def test_some_files_are_read_without_the_others(folder: Path) -> None:
    damage(folder / "part-00000.tar", b"first", b"forst")
    last = list(read_manifest(folder))[1:]
    assert [content for _, content in read_files(folder, last)] == [b"second"]


def test_a_missing_archive_is_refused(folder: Path) -> None:
    (folder / "part-00000.tar").unlink()
    with pytest.raises(UserError, match=r"part-00000\.tar.*dvc repro download"):
        read_back(folder)


def test_archives_are_split_at_their_size_and_keep_the_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raw, "ARCHIVE_BYTES", 3000)
    files = [(f"{number}.py", bytes([number]) * 700) for number in range(10)]
    write_raw(tmp_path, "local", (listed(*file) for file in files), {})
    archives = sorted(tmp_path.glob("*.tar"))
    assert [path.name for path in archives] == [f"part-0000{number}.tar" for number in range(5)]
    assert read_back(tmp_path) == files
    placed = {file.path: file.archive for file in read_manifest(tmp_path)}
    for path in archives:
        with tarfile.open(path) as tar:
            members = [name.removeprefix("repo/") for name in tar.getnames()]
        assert members == [name for name, archive in placed.items() if archive == path.name]


def test_a_file_larger_than_an_archive_gets_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raw, "ARCHIVE_BYTES", 100)
    files = [("a", b"x" * 500), ("b", b"y" * 500)]
    write_raw(tmp_path, "local", (listed(*file) for file in files), {})
    assert read_back(tmp_path) == files
    assert len(list(tmp_path.glob("*.tar"))) == 2


def test_the_archives_hold_no_owner_and_no_time(folder: Path) -> None:
    with tarfile.open(folder / "part-00000.tar") as tar:
        facts = [(item.name, item.mtime, item.uid, item.gid, item.uname, item.mode) for item in tar]
    assert facts == [
        ("repo/a.py", 0, 0, 0, "", 0o644),
        ("repo/b.py", 0, 0, 0, "", 0o644),
    ]


def test_what_the_reader_left_out_while_writing_is_counted(tmp_path: Path) -> None:
    left_out: dict[str, int] = {}

    def files() -> Iterator[tuple[RawFile, bytes]]:
        yield listed("a.py", b"four")
        left_out["binary"] = 2

    write_raw(tmp_path, "local", files(), left_out)
    facts = json.loads((tmp_path / "source.json").read_text())
    assert facts == {"kind": "local", "files": 1, "bytes": 4, "left_out": {"binary": 2}}


def test_unfinished_archives_have_no_source_json(tmp_path: Path) -> None:
    def files() -> Iterator[tuple[RawFile, bytes]]:
        yield listed("a.py", b"four")
        raise UserError("stop")

    with pytest.raises(UserError):
        write_raw(tmp_path, "local", files(), {})
    assert not (tmp_path / "source.json").exists()


@given(NAMES | st.text("ab/", max_size=110), st.integers(0, 8**11 - 1) | st.integers(8**11, 8**12))
def test_a_header_is_that_of_tarfile(name: str, size: int) -> None:
    member = tarfile.TarInfo(name)
    member.size = size
    assert tar_header(name, size) == member.tobuf(tarfile.PAX_FORMAT)


def test_a_writer_continues_after_what_another_has_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raw, "ARCHIVE_BYTES", 3000)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    states: list[Written] = []
    for folder in (whole, cut):
        folder.mkdir()

    def write(writer: RawWriter, numbers: range) -> None:
        for number in numbers:
            if number % 4 == 3:
                writer.drop(str(number), "missing", "HTTP 404")
            else:
                writer.add(*listed(f"{number}.py", bytes([number]) * 700), str(number))

    with RawWriter(whole) as writer:
        write(writer, range(20))
    begun = RawWriter(cut, completed=lambda written: states.append(replace(written)))
    write(begun, range(9))  # killed while it writes
    done = states[-1]
    rows = done.files + sum(done.dropped.values())
    assert 0 < rows < 9
    with RawWriter(cut, done) as writer:
        write(writer, range(rows, 20))
    assert writer.written.dropped == {"missing": 5}
    for name in ("manifest.jsonl", "dropped.jsonl", *(path.name for path in whole.glob("*.tar"))):
        assert (cut / name).read_bytes() == (whole / name).read_bytes(), name


def test_rows_that_an_ended_writer_dropped_before_its_first_archive_are_forgotten(
    tmp_path: Path,
) -> None:
    begun = RawWriter(tmp_path)
    begun.drop("a.py", "unreachable", "HTTP 500")
    begun.__exit__(KeyboardInterrupt, None, None)
    assert (tmp_path / "dropped.jsonl").read_bytes()
    with RawWriter(tmp_path) as writer:
        writer.add(*listed("a.py", b"a\n"), "a.py")
    assert not (tmp_path / "dropped.jsonl").exists()
