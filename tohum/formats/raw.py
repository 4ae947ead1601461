"""data/raw: the files as they were fetched, in uncompressed tar archives, and a manifest of their
provenance.

    part-00000.tar   the files' bytes; fixed metadata, so that equal files make equal archives
    manifest.jsonl   one RawFile a line, in archive order
    source.json      the kind of source, counts, and what was left out, by reason

A mix of sources has a folder like this for each of them, and a manifest.jsonl and a source.json
that name them.

A few archives instead of thousands of files: a remote moves them at full speed, and `tar -tf` shows
what is inside.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tohum.errors import UserError
from tohum.files import atomic_write, write_json

ARCHIVE_BYTES = 512 << 20


@dataclass
class RawFile:
    """One fetched file and where it came from.

    `id` is the SHA-1 of its bytes, which is also its key in the archive of Software Heritage.
    """

    path: str
    id: str
    sha256: str
    bytes: int
    source: str
    repo: str
    license: str | None
    archive: str = ""


def write_raw(
    folder: Path, kind: str, files: Iterable[tuple[RawFile, bytes]], left_out: dict[str, int]
) -> None:
    """Writes archives, manifest and source.json into an empty `folder`, in the order given.

    `left_out` is read after the files, so that their reader may still be counting.
    """
    count = total = 0
    with atomic_write(folder / "manifest.jsonl", "w") as manifest, _Archives(folder) as archives:
        for file, content in files:
            file.archive = archives.add(f"{file.repo}/{file.path}", content)
            manifest.write(json.dumps(asdict(file), ensure_ascii=False) + "\n")
            count, total = count + 1, total + len(content)
    facts = {
        "kind": kind,
        "files": count,
        "bytes": total,
        "left_out": dict(sorted(left_out.items())),
    }
    write_json(folder / "source.json", facts)


class _Archives:
    """A series of tar archives, each closed when it has grown past ARCHIVE_BYTES."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.number = 0
        self.tar: tarfile.TarFile | None = None

    def __enter__(self) -> "_Archives":
        return self

    def __exit__(self, *_: object) -> None:
        if self.tar is not None:
            self.tar.close()

    def add(self, name: str, content: bytes) -> str:
        """Appends one file and returns the name of the archive that took it."""
        if self.tar is not None and self.tar.offset + len(content) > ARCHIVE_BYTES:
            self.tar.close()
            self.tar, self.number = None, self.number + 1
        archive = f"part-{self.number:05d}.tar"
        if self.tar is None:
            self.tar = tarfile.open(self.folder / archive, "w", format=tarfile.PAX_FORMAT)
        member = tarfile.TarInfo(name)  # mode 0644, owner 0, time 0
        member.size = len(content)
        self.tar.addfile(member, io.BytesIO(content))
        self.tar.members = []  # type: ignore[attr-defined]  # or it keeps a record of every file in memory
        return archive


def read_manifest(folder: Path) -> Iterator[RawFile]:
    """Yields the manifest's entries, in archive order."""
    with (folder / "manifest.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            yield RawFile(**json.loads(line))


def read_raw(folder: Path) -> Iterator[tuple[RawFile, bytes]]:
    """Yields every file with its bytes, checked against the manifest.

    Raises:
        UserError: an archive does not hold what the manifest says.
    """
    name, tar = "", None
    try:
        for file in read_manifest(folder):
            if file.archive != name:
                if tar is not None:
                    tar.close()
                name = file.archive
                tar = tarfile.open(folder / name, "r:")
            assert tar is not None
            member = tar.next()
            stream = tar.extractfile(member) if member is not None else None
            content = stream.read() if stream is not None else b""
            tar.members = []  # type: ignore[attr-defined]
            if hashlib.sha256(content).hexdigest() != file.sha256:
                raise UserError(
                    f"{folder / name}: {file.path} does not have the SHA-256 that manifest.jsonl "
                    "gives it. The archive was damaged: run `dvc repro --force --single-item "
                    "download`."
                )
            yield file, content
    except (tarfile.TarError, FileNotFoundError) as error:
        raise UserError(
            f"{folder / name} cannot be read as an archive ({error}). It was damaged: run `dvc "
            "repro --force --single-item download`."
        ) from None
    finally:
        if tar is not None:
            tar.close()


@dataclass
class RawMember:
    """One source in data/raw: the only one, or one of a mix."""

    name: str
    folder: Path
    facts: dict[str, Any]
    in_mix: bool

    @property
    def holds_ids(self) -> bool:
        """Whether its rows name files that are still to be fetched or taken out of the rows."""
        return bool(self.facts["kind"] == "hub" and self.facts["content"] != "rows")

    @property
    def holds_rows(self) -> bool:
        """Whether it is data files whose rows are the documents."""
        return bool(self.facts["kind"] == "files" or self.facts.get("content") == "rows")


def raw_members(raw: Path) -> list[RawMember]:
    """Returns the sources in data/raw, in the order in which they were named."""
    facts = read_facts(raw)
    if facts["kind"] != "mix":
        return [RawMember(facts["kind"], raw, facts, in_mix=False)]
    folders = [(name, raw / name) for name in facts["sources"]]
    return [RawMember(name, folder, read_facts(folder), in_mix=True) for name, folder in folders]


def read_facts(folder: Path) -> dict[str, Any]:
    """Returns source.json.

    Raises:
        UserError: it is missing.
    """
    path = folder / "source.json"
    if not path.is_file():
        raise UserError(f"{path} is missing. Run `dvc repro download`.")
    facts = json.loads(path.read_text(encoding="utf-8"))
    assert isinstance(facts, dict)
    return facts
