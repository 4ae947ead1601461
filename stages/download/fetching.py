"""From a source to data/raw: list the files, keep to the cap, read and verify, write."""

import json
import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tohum.errors import UserError
from tohum.files import atomic_write, file_sha256, fresh, publish, write_json
from tohum.formats.raw import RawFile, write_raw
from tohum.sources.config import HubSource, MixSource, Source
from tohum.sources.files import FilesSource, copy_files
from tohum.sources.local import LocalSource, local_files
from tohum.sources.offered_files import OfferedFile, sample, verified
from tohum.sources.packages import PackagesSource, package_files
from tohum.workdir import open_workdir, work_key

log = logging.getLogger(__name__)


def download(source: Source, out: Path) -> None:
    """Writes the files of `source` to `out`; those of a mix to a folder for each of its sources.

    Raises:
        UserError: nothing to download, or a file is not what its source says.
    """
    if isinstance(source, MixSource):
        _download_mix(source, out)
    elif isinstance(source, HubSource):
        from tohum.sources.hub import download_dataset  # its client takes a second to import

        download_dataset(source, out)
    elif isinstance(source, FilesSource):
        with open_workdir("download", work_key("download", [source], [])) as work:
            finished = work / "raw"
            finished.mkdir(exist_ok=True)
            copy_files(source, finished)
            publish(finished, out)
    else:
        _download_documents(source, out)


def _download_mix(mix: MixSource, out: Path) -> None:
    """Downloads the sources one after another; one that is complete is not downloaded again."""
    with open_workdir("download", work_key("download", [mix], [])) as work:
        finished = work / "raw"
        finished.mkdir(exist_ok=True)
        lines = []
        for name, source in mix.sources.items():
            folder = finished / name
            if not (folder / "source.json").is_file():
                log.info("source '%s'", name)
                download(source, folder)
            hashes = {
                file: file_sha256(folder / file) for file in ("manifest.jsonl", "source.json")
            }
            lines.append({"source": name, "sha256": hashes})
        with atomic_write(finished / "manifest.jsonl", "w") as manifest:
            manifest.writelines(json.dumps(line) + "\n" for line in lines)
        write_json(finished / "source.json", {"kind": "mix", "sources": list(mix.sources)})
        publish(finished, out)


def _download_documents(source: Source, out: Path) -> None:
    """Writes files of this machine, each of them a document."""
    left_out: Counter[str] = Counter()
    if isinstance(source, PackagesSource):
        offered = package_files(source, left_out)
    elif isinstance(source, LocalSource):
        offered = local_files(source, left_out)
    else:
        raise TypeError(f"no download for {type(source).__name__}")
    chosen = sample(offered, source.max_bytes, left_out)
    if not chosen:
        raise UserError(
            f"the source has no file to train on{_told(left_out)}. Check `source` in "
            "params.lock.yaml."
        )
    with open_workdir("download", work_key("download", [source], [])) as work:
        finished = fresh(work / "raw")
        write_raw(finished, source.kind, _read(chosen), left_out)
        publish(finished, out)
    total = sum(file.size for file in chosen)
    log.info("%d files, %.1f MB, each verified%s", len(chosen), total / 1e6, _told(left_out))


def _read(offered: list[OfferedFile]) -> Iterator[tuple[RawFile, bytes]]:
    for file in offered:
        yield verified(file)


def _told(left_out: Counter[str]) -> str:
    if not left_out:
        return ""
    return "; left out: " + ", ".join(
        f"{count} {reason}" for reason, count in sorted(left_out.items())
    )
