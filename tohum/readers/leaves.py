"""Finds the leaf columns of a parquet file that hold the wanted paths, so that only they are read.

Each leaf has its own column chunks: from `files: list<struct<path, content>>`, the paths alone can
be read. Leaves are numbered depth first, in parquet's schema as in Arrow's (Arrow's
`SchemaManifest`).
"""

from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow

Steps = tuple[str, ...]  # from the outermost column; a list and its elements are one step


def find_leaves(schema: pyarrow.Schema, count: int, wanted: Iterable[Steps]) -> list[int] | None:
    """Returns the numbers of the leaves at or below each path, or above it if the path continues
    into something that is not a column. None if a path leads nowhere, or the leaves can't be
    distinguished.

    Args:
        count: the number of leaves in parquet's schema.
    """
    leaves = [steps for field in schema for steps in _leaves(field.type, (field.name,))]
    if len(leaves) != count:
        return None
    found: set[int] = set()
    for path in wanted:
        there = {number for number, steps in enumerate(leaves) if _on_one_way(steps, path)}
        if not there:
            return None
        found |= there
    return sorted(found)


def _leaves(kind: pyarrow.DataType, steps: Steps) -> Iterator[Steps]:
    types: Any = pyarrow.types
    if isinstance(kind, pyarrow.BaseExtensionType):
        yield from _leaves(kind.storage_type, steps)
    elif types.is_struct(kind):
        for field in kind:
            yield from _leaves(field.type, (*steps, field.name))
    elif types.is_map(kind):
        yield from _leaves(kind.key_type, (*steps, "key"))
        yield from _leaves(kind.item_type, (*steps, "value"))
    elif types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        yield from _leaves(kind.value_type, steps)
    else:
        yield steps


def _on_one_way(leaf: Steps, path: Steps) -> bool:
    shorter = min(len(leaf), len(path))
    return leaf[:shorter] == path[:shorter]
