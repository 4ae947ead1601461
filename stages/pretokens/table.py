"""data/pretokens: the (pretoken, count) table.

pretokens.parquet   pretoken (binary, ascending), count (int64); uncompressed, so that its bytes
                    depend on its content and the pinned pyarrow only
meta.json           the pattern, totals, the table's SHA-256, the hash of the jsonl manifest
"""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from stages.workdir import file_sha256, write_json

TABLE = "pretokens.parquet"
META = "meta.json"
SCHEMA = pyarrow.schema([("pretoken", pyarrow.binary()), ("count", pyarrow.int64())])


def write_table(folder: Path, counts: Mapping[bytes, int], facts: dict[str, Any]) -> None:
    """Writes the table and its meta.json; `facts` go into the latter."""
    pretokens = sorted(counts)
    table = pyarrow.table([pretokens, [counts[pretoken] for pretoken in pretokens]], schema=SCHEMA)
    pyarrow.parquet.write_table(table, folder / TABLE, compression="none", use_dictionary=False)
    totals = {
        "pretokens": sum(counts.values()),
        "different_pretokens": len(pretokens),
        "bytes": sum(len(pretoken) * count for pretoken, count in counts.items()),
    }
    write_json(folder / META, {**facts, **totals, "sha256": file_sha256(folder / TABLE)})


def read_table(folder: Path) -> Counter[bytes]:
    """Returns the counts, in ascending order of the pretokens."""
    table = pyarrow.parquet.read_table(folder / TABLE, schema=SCHEMA)
    return Counter(
        dict(zip(table["pretoken"].to_pylist(), table["count"].to_pylist(), strict=True))
    )


def read_meta(folder: Path) -> dict[str, Any]:
    """Returns what meta.json says of the table."""
    meta = json.loads((folder / META).read_text(encoding="utf-8"))
    assert isinstance(meta, dict)
    return meta
