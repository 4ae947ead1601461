"""Finds near-duplicates by locality-sensitive hashing of MinHash signatures.

Memory hardly grows with the number of documents: 8 bytes for each, plus SORTED_AT_ONCE keys. A
signature is cut into bands of rows. Documents that agree in all rows of a band are candidates
(Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, section 3.4); they are near-duplicates
if their whole signatures estimate a similarity of at least the threshold. Near-duplicates of
near-duplicates form a cluster, whose first document stays. The Stack was cleaned this way (Kocetkov
et al. 2022, arXiv 2211.15533), its second version with 5-grams and a threshold of 0.7 (Lozhkov et
al. 2024, arXiv 2402.19173, section 3.1).
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from io import FileIO
from pathlib import Path

import numpy
from numpy.typing import NDArray

from tohum.config.sections import limits

Numbers = NDArray[numpy.int64]
Keys = NDArray[numpy.uint64]

SORTED_AT_ONCE = 4_000_000  # keys: about 150 MB
PAIRS_AT_ONCE = 4096  # signatures of 1 kB, two a pair
LEADERS = 200  # of one group: bounds the work where very many agree in a single band
CANDIDATE_WEIGHT = 0.05  # of a needless candidate; a missed one weighs 1
ODD = numpy.uint64(0x9E3779B97F4A7C15)


@dataclass
class NearDuplicates:
    """Jaccard similarity from which a document is dropped; None turns the rule off."""

    near_duplicates: float | None = limits(minimum=0.3, maximum=0.99)


@cache
def bands_and_rows(threshold: float, permutations: int) -> tuple[int, int]:
    """Returns the best numbers of bands and of rows in each for the threshold: 36 and 7 at 0.7.

    A pair of similarity s becomes a candidate with probability 1 - (1 - s^rows)^bands. As in
    datasketch and BigCode, the choice minimises the integral of that below the threshold plus the
    integral of its complement above. They weigh both alike, which gives 25 bands of 10 rows at 0.7
    and finds half the pairs there. Here candidates are checked and a needless one costs only two
    reads, so it weighs CANDIDATE_WEIGHT: of 997 near-duplicates among 15,526 Python files, 25 bands
    find 950 and 36 find 995.
    """
    steps = 1000
    similarity = (numpy.arange(steps) + 0.5) / steps
    below = similarity < threshold

    def mistakes(choice: tuple[int, int]) -> float:
        bands, rows = choice
        missed = (1 - similarity**rows) ** bands
        return float(numpy.where(below, CANDIDATE_WEIGHT * (1 - missed), missed).sum())

    choices = [
        (bands, rows)
        for rows in range(1, permutations + 1)
        for bands in range(1, permutations // rows + 1)
    ]
    return min(choices, key=mistakes)


def find(
    batches: Iterable[NDArray[numpy.uint32]], threshold: float, work: Path
) -> NDArray[numpy.int64]:
    """Returns for each document the number of the first document of its cluster, (documents,).

    A document stays if that is its own number; otherwise it is a near-duplicate of that earlier
    one. The result does not depend on how the documents are cut into batches.

    Args:
        batches: the signatures of all documents, (documents, permutations), in input order.
        threshold: the Jaccard similarity of their sets of shingles at which two documents are
            near-duplicates.
        work: a directory for temporary files, 1.3 kB per document; they are deleted at the end.
    """
    store = work / "signatures.bin"
    paths = _write(iter(batches), threshold, store, work)
    if not paths:
        return numpy.empty(0, numpy.int64)
    documents = paths[0].stat().st_size // 8
    clusters = Clusters(documents)
    with store.open("rb", buffering=0) as file:
        similar = Similarity(file, store.stat().st_size // max(1, documents), threshold)
        for path in paths:
            for keys, numbers in _shared(path, documents):
                _join(keys, numbers, similar, clusters)
            path.unlink()
    store.unlink()
    return clusters.first()


def _write(
    batches: Iterator[NDArray[numpy.uint32]], threshold: float, store: Path, work: Path
) -> list[Path]:
    """Writes the signatures to one file and each band's keys to its own; returns the latter.

    The whole signature is the first band, so that equal documents are always found.
    """
    batch = next(batches, None)
    if batch is None:
        return []
    permutations = batch.shape[1]
    bands, rows = bands_and_rows(threshold, permutations)
    cuts = [(0, permutations), *((band * rows, (band + 1) * rows) for band in range(bands))]
    paths = [work / f"band-{number:03d}.bin" for number in range(len(cuts))]
    with ExitStack() as files:
        signatures = files.enter_context(store.open("wb"))
        keys = [files.enter_context(path.open("wb")) for path in paths]
        while batch is not None:
            signatures.write(numpy.ascontiguousarray(batch, "<u4").data)
            for file, (start, end) in zip(keys, cuts, strict=True):
                file.write(_keys(batch[:, start:end]).data)
            batch = next(batches, None)
    return paths


def _keys(rows: NDArray[numpy.uint32]) -> Keys:
    """Returns 64 bits for each document that represent its rows of a band."""
    keys = numpy.zeros(len(rows), numpy.uint64)
    for row in rows.T:
        keys = (keys ^ row) * ODD
        keys ^= keys >> numpy.uint64(32)
    return keys


def _shared(path: Path, documents: int) -> Iterator[tuple[Keys, Numbers]]:
    """Yields the keys of a band that several documents share, sorted, and the documents' numbers, a
    part of the keys at a time.
    """
    parts = -(-documents // SORTED_AT_ONCE)
    for part in range(parts):
        pieces = []
        for start in range(0, documents, SORTED_AT_ONCE):
            keys = numpy.fromfile(path, numpy.uint64, SORTED_AT_ONCE, offset=8 * start)
            if parts > 1:
                chosen = numpy.flatnonzero((keys >> numpy.uint64(20)) % numpy.uint64(parts) == part)
                pieces.append((keys[chosen], chosen + start))
            else:
                pieces.append((keys, numpy.arange(documents)))
        keys = numpy.concatenate([piece[0] for piece in pieces])
        order = numpy.argsort(keys, kind="stable")
        numbers = numpy.concatenate([piece[1] for piece in pieces])[order]
        yield _of_several(keys[order], numbers)


def _of_several(keys: Keys, numbers: Numbers) -> tuple[Keys, Numbers]:
    """Returns the entries whose keys occur more than once; the keys must be sorted."""
    same = keys[1:] == keys[:-1]
    several = numpy.zeros(len(keys), bool)
    several[1:] |= same
    several[:-1] |= same
    return keys[several], numbers[several]


def _join(keys: Keys, numbers: Numbers, similar: "Similarity", clusters: "Clusters") -> None:
    """Unites the near-duplicates among the documents that share a key.

    The first of each group leads, and those similar to it join it. The rest form a group again.
    """
    for _ in range(LEADERS):
        if not len(keys):
            return
        starts = numpy.flatnonzero(numpy.append(True, keys[1:] != keys[:-1]))
        leaders = numpy.repeat(numbers[starts], numpy.diff(starts, append=len(keys)))
        apart = clusters.roots(leaders) != clusters.roots(numbers)
        leaders, numbers, keys = leaders[apart], numbers[apart], keys[apart]
        alike = similar(leaders, numbers)
        clusters.unite(leaders[alike], numbers[alike])
        keys, numbers = _of_several(keys[~alike], numbers[~alike])


class Similarity:
    """Decides which pairs of documents are near-duplicates, from the file of signatures."""

    def __init__(self, file: FileIO, size: int, threshold: float) -> None:
        self.file = file
        self.size = size  # of a signature, bytes
        self.threshold = threshold

    def __call__(self, left: Numbers, right: Numbers) -> NDArray[numpy.bool_]:
        """Returns for each pair whether the estimated similarity reaches the threshold."""
        alike = numpy.zeros(len(left), bool)
        for start in range(0, len(left), PAIRS_AT_ONCE):
            cut = slice(start, start + PAIRS_AT_ONCE)
            numbers, places = numpy.unique(
                numpy.stack([left[cut], right[cut]]), return_inverse=True
            )
            signatures = self._read(numbers)
            agree = signatures[places[0]] == signatures[places[1]]
            alike[cut] = agree.mean(axis=1) >= self.threshold
        return alike

    def _read(self, numbers: Numbers) -> NDArray[numpy.uint32]:
        read = bytearray(len(numbers) * self.size)
        view = memoryview(read)
        for place, number in enumerate(numbers.tolist()):
            self.file.seek(number * self.size)
            self.file.readinto(view[place * self.size : (place + 1) * self.size])
        return numpy.frombuffer(read, "<u4").reshape(len(numbers), -1)


class Clusters:
    """Union-find over numbers; the root of a cluster is its least number."""

    def __init__(self, count: int) -> None:
        self.parents = numpy.arange(count)

    def roots(self, numbers: Numbers) -> Numbers:
        """Returns the root of each number."""
        roots = self.parents[numbers]
        while True:
            further = self.parents[roots]
            if numpy.array_equal(further, roots):
                self.parents[numbers] = roots
                return roots
            roots = further

    def unite(self, left: Numbers, right: Numbers) -> None:
        """Puts the two numbers of each pair into one cluster."""
        while True:
            left, right = self.roots(left), self.roots(right)
            apart = left != right
            left, right = left[apart], right[apart]
            if not len(left):
                return
            # A root takes the least of several new parents; the next round unites the others.
            numpy.minimum.at(self.parents, numpy.maximum(left, right), numpy.minimum(left, right))

    def first(self) -> Numbers:
        """Returns the root of every number. Don't use the object after that."""
        for start in range(0, len(self.parents), SORTED_AT_ONCE):
            end = min(start + SORTED_AT_ONCE, len(self.parents))
            self.roots(numpy.arange(start, end))
        return self.parents
