"""Writes where a model's data came from: ATTRIBUTION.md, provenance.json and origins.jsonl.

provenance.json chains the hashes of the tokens that the model saw, the corpus they encode, and the
raw files it was made from. origins.jsonl has a line for each repository, with its licence as the
source states it and as an SPDX expression, documents and bytes. ATTRIBUTION.md is the same for
people, with licences grouped by expression.
"""

import json
import shutil
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from tohum.files import atomic_write, file_sha256, write_json
from tohum.formats.tokens import ORIGINS
from tohum.licenses import UNKNOWN, by_expression

MOST_ORIGINS = 2000  # in ATTRIBUTION.md; origins.jsonl has all


def write_attribution(folder: Path, tokens: Path, meta: dict[str, Any]) -> None:
    """Writes the three files to a model's folder from what the token files say about their data."""
    provenance = meta["provenance"]
    shutil.copyfile(tokens / ORIGINS, folder / ORIGINS)
    hashes = {
        "tokens_meta_sha256": file_sha256(tokens / "meta.json"),
        "tokenizer_sha256": meta["tokenizer_sha256"],
        "jsonl_manifest_sha256": meta["jsonl_manifest_sha256"],
        "raw_manifest_sha256": provenance["raw_manifest_sha256"],
        "origins_sha256": file_sha256(folder / ORIGINS),
    }
    origins = {key: provenance[key] for key in ("sources", "licenses")}
    write_json(folder / "provenance.json", {**hashes, **origins})
    with atomic_write(folder / "ATTRIBUTION.md", "w") as file:
        file.writelines(line + "\n" for line in _lines(provenance, folder / ORIGINS))


def _lines(provenance: dict[str, Any], origins: Path) -> Iterator[str]:
    yield "# What this model was trained on"
    yield ""
    yield "The files and conversations keep their licences. provenance.json has the hashes of all"
    yield "inputs; origins.jsonl has every repository."
    yield ""
    yield "## Sources"
    yield ""
    for name, facts in provenance["sources"].items():
        known = ", ".join(f"{key} {_plain(value)}" for key, value in facts.items() if value)
        yield f"- {_plain(name)}: {known}"
    yield ""
    yield "## Licences"
    yield ""
    yield "As SPDX expressions, where the licences that the sources state have one."
    yield ""
    yield "| licence | stated as | documents | bytes |"
    yield "|---|---|---:|---:|"
    for name, group in by_expression(provenance["licenses"]).items():
        stated = ", ".join(map(_plain, group.names))
        yield f"| {_plain(name)} | {stated} | {group.documents:,} | {group.bytes:,} |"
    yield ""
    yield "## Repositories"
    yield ""
    yield "| source | repository | licence | documents | bytes |"
    yield "|---|---|---|---:|---:|"
    with origins.open(encoding="utf-8") as lines:
        for line in islice(lines, MOST_ORIGINS):
            entry = json.loads(line)
            cells = (entry["source"], entry["repo"] or "-", _licence(entry))
            texts = " | ".join(_plain(cell) for cell in cells)
            yield f"| {texts} | {entry['documents']:,} | {entry['bytes']:,} |"
        if left := sum(1 for _ in lines):
            yield ""
            yield f"And {left:,} more: see origins.jsonl."


def _licence(origin: dict[str, Any]) -> str:
    return str(origin["spdx"] or origin["license"] or UNKNOWN)


def _plain(value: Any) -> str:
    """Returns a value as text that cannot break a table."""
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")
