import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tohum.errors import UserError
from tohum.fetch.journal import Journal
from tohum.fetch.row_rules import row_keys
from tohum.fetch.stored import Stored
from tohum.files import write_json
from tohum.formats import raw as raw_module
from tohum.formats.raw import RawFile, RawWriter

CONTENTS = st.lists(st.binary(max_size=1500), max_size=12, unique=True)


def sha1(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


def write_archives(folder: Path, contents: list[bytes], content: str, urls: bool = False) -> Path:
    """A raw folder as a fetch leaves it before its source.json."""
    (folder / "rows").mkdir(parents=True)
    write_json(folder / "rows" / "source.json", {"content": content})
    with RawWriter(folder) as writer:
        for number, body in enumerate(contents):
            id, sha256 = sha1(body), hashlib.sha256(body).hexdigest()
            file = RawFile("a.py", id, sha256, len(body), "a/b", None, None)
            file.url = f"http://host/{number}" if urls else None
            writer.add(file, body, id)
    return folder


def write_journal(path: Path, contents: list[bytes]) -> Path:
    journal = Journal(path)
    journal.append(99, 1, b"HTTP 404")
    for place, body in enumerate(contents):
        journal.append(place, 0, row_keys([sha1(body)]) + body)
    journal.close()
    return path


def found(stored: Stored, names: list[str]) -> dict[str, bytes]:
    return {names[at]: stored.read(place) for at, place in stored.find(row_keys(names)).items()}


@settings(deadline=None, max_examples=50)
@given(CONTENTS, CONTENTS, CONTENTS, st.sampled_from([500, 4000, 1 << 20]))
def test_all_that_is_stored_is_found_and_nothing_else(
    archived: list[bytes], journaled: list[bytes], others: list[bytes], archive_bytes: int
) -> None:
    there = {sha1(content): content for content in archived + journaled}
    names = [*there, *(sha1(content) for content in others), "http://host/1"]
    with TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(raw_module, "ARCHIVE_BYTES", archive_bytes)
        raws = [write_archives(Path(name) / "raw", archived, "software_heritage")]
        journals = [write_journal(Path(name) / "a.journal", journaled)]
        stored = Stored(Path(name) / "index", raws, journals)
        assert found(stored, names) == {key: there[key] for key in names if key in there}
        assert stored.find(b"") == {}
        stored.close()


def test_a_content_is_found_by_the_url_that_it_came_from(tmp_path: Path) -> None:
    raw = write_archives(tmp_path / "raw", [b"one", b"two"], "url", urls=True)
    stored = Stored(tmp_path / "index", [raw], [])
    assert found(stored, ["http://host/1", "http://host/9"]) == {"http://host/1": b"two"}


@pytest.mark.parametrize("content", ["inline", "rows"])
def test_what_was_not_fetched_is_not_stored(tmp_path: Path, content: str) -> None:
    raw = write_archives(tmp_path / "raw", [b"one"], content)
    assert Stored(tmp_path / "index", [raw, tmp_path / "absent"], []).count == 0


@pytest.mark.parametrize("lost", ["manifest", "archive", "line", "end"])
def test_of_unfinished_archives_the_whole_files_are_found(
    tmp_path: Path, lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raw_module, "ARCHIVE_BYTES", 3000)
    contents = [bytes([number]) * 700 for number in range(10)]
    raw = write_archives(tmp_path / "raw", contents, "software_heritage")
    manifest, last = raw / "manifest.jsonl", max(raw.glob("*.tar"))
    if lost == "manifest":
        manifest.unlink()
    elif lost == "archive":
        (raw / "part-00001.tar").unlink()
    elif lost == "line":
        manifest.write_bytes(manifest.read_bytes()[:-9])
    else:
        last.write_bytes(last.read_bytes()[:1000])
    there = found(Stored(tmp_path / "index", [raw], []), [sha1(body) for body in contents])
    assert len(there) == {"manifest": 0, "archive": 8, "line": 9, "end": 8}[lost]
    assert all(sha1(body) == id for id, body in there.items())


def test_many_files_are_read_with_few_of_them_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raw_module, "ARCHIVE_BYTES", 1)
    contents = [f"content {number}".encode() for number in range(100)]
    raw = write_archives(tmp_path / "raw", contents, "software_heritage")
    stored = Stored(tmp_path / "index", [raw], [])
    assert len(found(stored, [sha1(body) for body in contents] * 2)) == 100
    assert len(stored._open) <= 32
    stored.close()


def test_a_damaged_content_is_refused_by_the_name_of_its_archive(tmp_path: Path) -> None:
    raw = write_archives(tmp_path / "raw", [b"first"], "software_heritage")
    archive = raw / "part-00000.tar"
    archive.write_bytes(archive.read_bytes().replace(b"first", b"forst"))
    stored = Stored(tmp_path / "index", [raw], [])
    with pytest.raises(UserError, match=rf"part-00000\.tar is damaged.*{sha1(b'forst')}"):
        found(stored, [sha1(b"first")])
