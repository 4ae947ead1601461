"""data/raw: the fetched files in uncompressed tar archives, and a manifest of their provenance.

    part-00000.tar   the files' bytes; fixed metadata, so that equal files make equal archives
    manifest.jsonl   one RawFile a line, in archive order
    dropped.jsonl    where the source is rows that name files: each row that gave none, as its id,
                     the reason, and what was seen
    rows/            ... and those rows, the dataset's files as they are, with their own manifest
    source.json      the kind of source, counts, and what was left out, by reason; written last

A mix of sources has such a folder for each source, and a manifest.jsonl and a source.json that name
them.

A few archives replace thousands of files: a remote transfers them at full speed, and `tar -tf`
lists them.
"""

import hashlib
import os
import tarfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import orjson

from tohum.errors import UserError
from tohum.files import GET_BACK, read_json, write_json

ARCHIVE_BYTES = 512 << 20
BUFFER_BYTES = 1 << 20
BLOCK = tarfile.BLOCKSIZE
NAME_BYTES = 100  # of the longest name that fits in the header
DAMAGED = f"The archive was damaged. {GET_BACK.format(stage='download')}"
MANIFEST, DROPPED, FACTS = "manifest.jsonl", "dropped.jsonl", "source.json"


@dataclass
class RawFile:
    """One fetched file and where it came from.

    `id` is the SHA-1 of its bytes, which is also its key in Software Heritage's archive, or the
    source's name for a text whose original bytes it doesn't have. `encoding` is the one that the
    source names, and `url` is where the file was fetched from if nothing else named it. Its bytes
    begin at `offset` in its archive.
    """

    path: str
    id: str
    sha256: str
    bytes: int
    source: str
    repo: str | None
    license: str | None
    archive: str = ""
    offset: int = 0
    encoding: str | None = None
    language: str | None = None
    url: str | None = None


@dataclass
class Written:
    """What a RawWriter has written up to the end of an archive, where another one can continue.

    `manifest_bytes` and `dropped_bytes` are the lengths of these files, `bytes` that of the
    contents.
    """

    archives: int = 0
    files: int = 0
    bytes: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    manifest_bytes: int = 0
    dropped_bytes: int = 0


class RawWriter:
    """Writes files to archives and the manifest, and rows that gave none to dropped.jsonl.

    A context manager. It calls `completed` with its totals whenever an archive is complete and on
    disk, before it writes the next file, and continues after what is already `written`.
    """

    def __init__(
        self,
        folder: Path,
        written: Written | None = None,
        completed: Callable[[Written], None] = lambda written: None,
    ) -> None:
        self.folder = folder
        self.written = written or Written()
        self.completed = completed
        self.dropped = Counter(self.written.dropped)
        self._manifest = _continue(folder / MANIFEST, self.written.manifest_bytes)
        self._dropped: IO[bytes] | None = None
        if self.written.dropped_bytes:
            self._dropped = _continue(folder / DROPPED, self.written.dropped_bytes)
        else:  # after the last complete archive, a run that was ended may have begun it
            (folder / DROPPED).unlink(missing_ok=True)
        self._archive: IO[bytes] | None = None
        self._name, self._size = "", 0

    def __enter__(self) -> "RawWriter":
        return self

    def __exit__(self, *error: object) -> None:
        if error == (None, None, None):
            self._complete()
        for file in (self._archive, self._manifest, self._dropped):
            if file is not None:
                file.close()

    def add(self, file: RawFile, content: bytes, name: str) -> None:
        """Appends a file, as `name` in its archive."""
        if self._archive is not None and self._size + len(content) > ARCHIVE_BYTES:
            self._complete()
        if self._archive is None:
            self._name, self._size = archive_name(self.written.archives), 0
            self._archive = (self.folder / self._name).open("wb", BUFFER_BYTES)
        header = tar_header(name, len(content))
        self._archive.write(header)
        self._archive.write(content)
        padding = -len(content) % BLOCK
        self._archive.write(bytes(padding))
        file.archive, file.offset = self._name, self._size + len(header)
        self._size += len(header) + len(content) + padding
        self._manifest.write(orjson.dumps(file, option=orjson.OPT_APPEND_NEWLINE))
        self.written.files += 1
        self.written.bytes += len(content)

    def drop(self, id: str, reason: str, detail: str = "") -> None:
        """Records a row that gave no file."""
        self.dropped[reason] += 1
        line = {"id": id, "reason": reason, **({"detail": detail} if detail else {})}
        if self._dropped is None:
            self._dropped = _continue(self.folder / DROPPED, 0)
        self._dropped.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))

    def _complete(self) -> None:
        """Ends the current archive, and syncs everything to disk."""
        written = self.written
        if self._archive is not None:
            self._archive.write(bytes(2 * BLOCK + -(self._size + 2 * BLOCK) % tarfile.RECORDSIZE))
            _sync(self._archive)
            self._archive.close()
            self._archive = None
            written.archives += 1
        written.manifest_bytes = _sync(self._manifest)
        written.dropped_bytes = _sync(self._dropped) if self._dropped is not None else 0
        written.dropped = dict(self.dropped)
        self.completed(written)


def archive_name(number: int) -> str:
    """Returns the name of an archive, which are numbered from 0."""
    return f"part-{number:05d}.tar"


def _continue(path: Path, size: int) -> IO[bytes]:
    """Opens a file to continue it after its first `size` bytes."""
    file = path.open("r+b" if size else "wb", BUFFER_BYTES)
    file.truncate(size)
    file.seek(size)
    return file


def _sync(file: IO[bytes]) -> int:
    file.flush()
    os.fsync(file.fileno())
    return file.tell()


_PLAIN = tarfile.TarInfo().tobuf(tarfile.PAX_FORMAT)  # mode 0644, owner 0, time 0
_PLAIN_SUM = sum(_PLAIN) - sum(_PLAIN[124:136]) - sum(_PLAIN[148:156]) + 8 * ord(" ")


def tar_header(name: str, size: int) -> bytes:
    """Returns the header of a file in a tar archive, as `tarfile` makes it in 20 us, but faster if
    the name is short and ASCII.
    """
    encoded = name.encode() if name.isascii() else b""
    if not 0 < len(encoded) <= NAME_BYTES or size >= 8**11 or name.endswith("/"):
        member = tarfile.TarInfo(name)
        member.size = size
        return member.tobuf(tarfile.PAX_FORMAT)
    length = b"%011o\0" % size
    checksum = b"%06o\0 " % (_PLAIN_SUM + sum(encoded) + sum(length))
    return b"".join(
        (encoded.ljust(NAME_BYTES, b"\0"), _PLAIN[100:124], length, _PLAIN[136:148], checksum,
         _PLAIN[156:])
    )  # fmt: skip


def write_raw(
    folder: Path, kind: str, files: Iterable[tuple[RawFile, bytes]], left_out: dict[str, int]
) -> Written:
    """Writes archives, manifest and source.json into an empty `folder`, in the order given, and
    returns the totals.

    `left_out` is read after the files, because their reader may still be counting.
    """
    with RawWriter(folder) as writer:
        for file, content in files:
            writer.add(file, content, f"{file.repo}/{file.path}")
    facts = {
        "kind": kind,
        "files": writer.written.files,
        "bytes": writer.written.bytes,
        "left_out": dict(sorted(left_out.items())),
    }
    write_json(folder / FACTS, facts)
    return writer.written


def read_manifest(folder: Path) -> Iterator[RawFile]:
    """Yields the manifest's entries, in archive order.

    Raises:
        UserError: a line is damaged.
    """
    with (folder / MANIFEST).open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                yield RawFile(**orjson.loads(line))
            except (ValueError, TypeError) as error:
                raise UserError(
                    f"{folder / MANIFEST}, line {number} is damaged ({error}). "
                    f"{GET_BACK.format(stage='download')}"
                ) from None


def read_raw(folder: Path) -> Iterator[tuple[RawFile, bytes]]:
    """Yields every file with its bytes, checked against the manifest.

    Raises:
        UserError: an archive does not have what the manifest says.
    """
    return read_files(folder, read_manifest(folder))


def read_files(folder: Path, files: Iterable[RawFile]) -> Iterator[tuple[RawFile, bytes]]:
    """Yields some of the manifest's files with their bytes, checked against it.

    Raises:
        UserError: an archive does not have what the manifest says.
    """
    name, archive = "", None
    try:
        for file in files:
            if archive is None or file.archive != name:
                if archive is not None:
                    archive.close()
                name = file.archive
                archive = (folder / name).open("rb", buffering=0)
            archive.seek(file.offset)
            content = archive.read(file.bytes)
            if hashlib.sha256(content).hexdigest() != file.sha256:
                raise UserError(
                    f"{folder / name}: {file.path} does not have the SHA-256 that manifest.jsonl "
                    f"gives it. {DAMAGED}"
                )
            yield file, content
    except FileNotFoundError:
        raise UserError(f"{folder / name} is missing. {DAMAGED}") from None
    finally:
        if archive is not None:
            archive.close()


@dataclass
class RawMember:
    """One source in data/raw: the only one, or one of a mix."""

    name: str
    folder: Path
    facts: dict[str, Any]
    in_mix: bool

    @property
    def holds_rows(self) -> bool:
        """Whether it has data files whose rows are the documents."""
        return bool(self.facts["kind"] == "files" or self.facts.get("content") == "rows")


def raw_members(raw: Path) -> list[RawMember]:
    """Returns the sources in data/raw, in the order in which they were named."""
    facts = read_facts(raw)
    if facts["kind"] != "mix":
        return [RawMember(facts["kind"], raw, facts, in_mix=False)]
    folders = [(name, raw / name) for name in facts["sources"]]
    return [RawMember(name, folder, read_facts(folder), in_mix=True) for name, folder in folders]


def find_facts(folder: Path) -> dict[str, Any] | None:
    """Returns source.json, or None if there is none, or a file of that name that isn't ours."""
    path = folder / FACTS
    return read_object(path.read_bytes()) if path.is_file() else None


def read_object(text: bytes) -> dict[str, Any] | None:
    """Returns a JSON object, or None if it is anything else."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def read_facts(folder: Path) -> dict[str, Any]:
    """Returns source.json.

    Raises:
        UserError: it is missing.
    """
    with read_json(folder / FACTS, "download") as facts:
        return facts
