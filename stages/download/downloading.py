"""Downloads a source to data/raw: each source writes a folder, published when all are complete."""

import json
import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from tohum.config.runtime import Runtime
from tohum.files import atomic_write, file_sha256, publish, write_json
from tohum.formats.raw import DROPPED, FACTS, MANIFEST
from tohum.marks import read_mark, write_mark
from tohum.sources.config import MixSource, Source
from tohum.sources.destination import Destination
from tohum.workdir import open_workdir, work_key

TOLERANCES = ("max_lost_share", "terms")  # values that change no byte of data/raw
OWN_KINDS = ("files", "local")  # whose files no commit or hash fixes

log = logging.getLogger(__name__)


def download(source: Source | MixSource, out: Path, runtime: Runtime) -> None:
    """Writes the files of `source` to `out`; a mix gets one folder per source.

    What `out` and unfinished downloads already have is not fetched again.

    Raises:
        UserError: there is nothing to download, or a file is not what its source says.
    """
    key = work_key("download", [_without_tolerances(source)], [])
    with open_workdir("download", key, inherit="earlier") as work:
        if isinstance(source, MixSource):
            _download_mix(source, work, out, runtime)
        else:
            source.download(Destination("source", "", work, out, runtime))
        publish(work / "raw", out)


def _without_tolerances(source: Source | MixSource) -> dict[str, Any]:
    values: dict[str, Any] = asdict(cast(Any, source))
    for of_one in values["sources"].values() if isinstance(source, MixSource) else [values]:
        for name in TOLERANCES:
            of_one.pop(name, None)
    return values


def _download_one(source: Source, destination: Destination) -> None:
    """Downloads a source of a mix, unless an earlier run has finished it. The user's own files may
    have changed since, so they are always looked at.
    """
    mark = destination.notes / "complete.json"
    if source.kind in OWN_KINDS or read_mark(mark) is None:
        source.download(destination)
        files = sorted(destination.folder.rglob("*"))
        write_mark(mark, [path for path in files if path.is_file()])


def _download_mix(mix: MixSource, work: Path, out: Path, runtime: Runtime) -> None:
    """Downloads the sources one after another."""
    lines = []
    for name, source in mix.sources.items():
        log.info("source '%s'", name)
        destination = Destination(f"source.{name}", name, work, out, runtime)
        _download_one(source, destination)
        files = [destination.folder / file for file in (MANIFEST, DROPPED, FACTS)]
        hashes = {path.name: file_sha256(path) for path in files if path.is_file()}
        lines.append({"source": name, "sha256": hashes})
    with atomic_write(work / "raw" / MANIFEST, "w") as manifest:
        manifest.writelines(json.dumps(line) + "\n" for line in lines)
    write_json(work / "raw" / FACTS, {"kind": "mix", "sources": list(mix.sources)})
