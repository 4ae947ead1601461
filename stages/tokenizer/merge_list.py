"""The longest list of merges trained on a table so far, kept in `.work/merges/<key>/`.

The merges for any vocab_size and min_frequency are the first ones of a single list. So the list is
kept, and a run that needs fewer of them trains nothing: a sweep trains once.

merges.json   a mark of no files (tohum.marks) whose facts are the list: merges, each as left,
              right, count, saved; bytes: how often each byte occurs in the corpus, by its value;
              asked: the vocab_size and min_frequency it was trained for
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy

from stages.tokenizer.merges import Merge, cut_merges, merged_bytes
from tohum.formats.alphabet import FIRST_ID, byte_ids
from tohum.formats.pretoken_table import META, PretokenRows, read_table
from tohum.formats.special_tokens import SPECIAL_TOKENS
from tohum.kernels.arrays import Array
from tohum.marks import read_mark, write_mark
from tohum.workdir import open_workdir, work_key

log = logging.getLogger(__name__)


@dataclass
class MergeList:
    """Merges, with the vocab_size and min_frequency they were trained for, and how often each byte
    occurs in the corpus, by byte value.
    """

    merges: list[Merge]
    byte_counts: list[int]
    vocab_size: int
    min_frequency: int


def merge_list(pretokens: Path, vocab_size: int, min_frequency: int) -> MergeList:
    """Returns the merges for the table in `pretokens`: from the kept list if it is long enough,
    otherwise newly trained and kept.

    Several processes may call this at once: the first one trains, the others wait for it.
    """
    key = work_key("tokenizer", [], [pretokens / META])
    with open_workdir("merges", key, keep=True, wait=-1) as folder:
        path = folder / "merges.json"
        known = _read(path)
        if known and (cut := _cut(known, vocab_size, min_frequency)):
            log.info("using %d of %d merges trained before", len(cut.merges), len(known.merges))
            return cut
        trained = train_list(partial(read_table, pretokens), vocab_size, min_frequency)
        _write(path, trained)
    return trained


def _cut(known: MergeList, vocab_size: int, min_frequency: int) -> MergeList | None:
    """Returns the list for other values, or None if `known` may be too short for them."""
    merges = cut_merges(known.merges, FIRST_ID, vocab_size, min_frequency)
    if len(merges) == len(known.merges):
        ended = FIRST_ID + len(merges) < known.vocab_size  # by its min_frequency
        long_enough = FIRST_ID + len(merges) >= vocab_size
        if not long_enough and not (ended and min_frequency >= known.min_frequency):
            return None
    return MergeList(merges, known.byte_counts, vocab_size, min_frequency)


def train_list(
    read: Callable[[], Iterable[PretokenRows]], vocab_size: int, min_frequency: int
) -> MergeList:
    """Trains on the table that `read` yields.

    No merge may produce the text of a special token: its id is reserved for the pipeline.
    `tokenizers` would give that id to the text, so this is the one difference from its merges; the
    presets' patterns never leave such a text in one pretoken.
    """
    from stages.tokenizer.bpe import train_merges

    ids = byte_ids()
    forbidden: list[tuple[int, int]] = []
    while True:
        counts = numpy.zeros(256, numpy.int64)
        table = _counting(read(), counts)
        merges = train_merges(table, ids, FIRST_ID, vocab_size, min_frequency, forbidden)
        special = _special(merged_bytes(ids, FIRST_ID, merges), merges)
        if special is None:
            return MergeList(merges, counts.tolist(), vocab_size, min_frequency)
        forbidden.append(special)


def _counting(table: Iterable[PretokenRows], counts: Array) -> Iterator[PretokenRows]:
    for batch in table:
        times = numpy.repeat(batch.counts, batch.lengths)
        numpy.add.at(counts, batch.data, times)
        yield batch


def _special(tokens: list[bytes], merges: list[Merge]) -> tuple[int, int] | None:
    texts = {token.encode() for token in SPECIAL_TOKENS}
    for merge in merges:
        if tokens[merge.id] in texts:
            return merge.left, merge.right
    return None


def _read(path: Path) -> MergeList | None:
    facts = read_mark(path)
    if facts is None:
        return None
    merges = [
        Merge(left, right, FIRST_ID + index, count, saved)
        for index, (left, right, count, saved) in enumerate(facts["merges"])
    ]
    return MergeList(merges, facts["bytes"], *facts["asked"])


def _write(path: Path, trained: MergeList) -> None:
    rows = [(merge.left, merge.right, merge.count, merge.saved) for merge in trained.merges]
    asked = (trained.vocab_size, trained.min_frequency)
    write_mark(path, facts={"merges": rows, "bytes": trained.byte_counts, "asked": asked})
