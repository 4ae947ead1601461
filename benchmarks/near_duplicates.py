"""How fast near-duplicates are found: this project compared with what people use instead.

    python -m benchmarks.near_duplicates [--megabytes 12] [--rounds 3]

The documents are the Python sources of the installed packages, and changed copies of some. The
contenders take turns, and each does all the work in one process and one thread: words, 5-grams,
signatures, candidates at a Jaccard similarity of 0.7, and which documents to drop. datasketch is
used as in its documentation, and installs with
python -m pip install -c constraints.txt -e ".[bench]". text-dedup 0.4.0 pins urllib3 <= 2.0, which
conflicts with this project's own pins: it takes part if it is installed, for example in an
environment of numpy, numba and datasketch. datatrove needs nltk and its punkt_tab for words,
and only computes its signatures, without its files between stages.
"""

import argparse
import random
import re
import statistics
import sys
import sysconfig
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy

from benchmarks.targets import quotient, report, taking_part
from tohum.cleaning.minhash import PERMUTATIONS, signatures
from tohum.cleaning.near_duplicates import find

THRESHOLD = 0.7
MARGIN = 0.06  # of similarity: two standard errors of an estimate
BATCH = 200  # documents
NOT_A_WORD = re.compile("[^A-Za-z0-9_]+")
OURS = "this project"
LONGEST = 100_000  # characters
DATATROVE = (
    "nltk" if find_spec("datatrove") else "datatrove"
)  # which it needs; whichever is missing


def documents(megabytes: float) -> tuple[list[str], set[int], set[int]]:
    """Returns Python sources, the same on every run, every fifth followed by a copy with lines left
    out; and the numbers of the copies that clearly are near-duplicates, and that clearly are not.
    """
    generator = random.Random(7)
    paths = sorted(Path(sysconfig.get_path("purelib")).rglob("*.py"))
    generator.shuffle(paths)
    found: list[str] = []
    alike: set[int] = set()
    unlike: set[int] = set()
    left = megabytes * 1e6
    for path in paths:
        text = path.read_text(encoding="utf-8", errors="replace")
        if not 500 < len(text) < LONGEST:
            continue
        found.append(text)
        if len(found) % 5 == 0:
            lines = text.split("\n")
            share = generator.uniform(0, 0.4)
            copy = "\n".join(line for line in lines if generator.random() > share)
            original, changed = grams(text), grams(copy)
            similarity = len(original & changed) / max(1, len(original | changed))
            if abs(similarity - THRESHOLD) >= MARGIN:
                (alike if similarity > THRESHOLD else unlike).add(len(found))
            found.append(copy)
            left -= len(copy)
        left -= len(text)
        if left < 0:
            break
    return found, alike, unlike


def grams(text: str) -> set[bytes]:
    """Returns the different 5-grams of words, as in The Stack's deduplication."""
    words = list(filter(None, NOT_A_WORD.split(text)))
    return {" ".join(words[start : start + 5]).encode() for start in range(len(words) - 4)}


def this_project(texts: list[str]) -> set[int]:
    """What the stage does."""
    made = (signatures(texts[start : start + BATCH]) for start in range(0, len(texts), BATCH))
    with tempfile.TemporaryDirectory() as work:
        first = find(made, THRESHOLD, Path(work))
    return set(numpy.flatnonzero(first != numpy.arange(len(texts))).tolist())


def with_datasketch(texts: list[str]) -> set[int]:
    """MinHash.update_batch for each document, and a query of MinHashLSH before each insert."""
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(threshold=THRESHOLD, num_perm=PERMUTATIONS)
    dropped = set()
    for number, text in enumerate(texts):
        sketch = MinHash(num_perm=PERMUTATIONS)
        sketch.update_batch(grams(text))
        if index.query(sketch):
            dropped.add(number)
        index.insert(number, sketch)
    return dropped


def with_text_dedup(texts: list[str]) -> set[int]:
    """text_dedup.minhash's embed_func, its tables and its union-find, with its defaults."""
    from text_dedup.minhash import embed_func
    from text_dedup.utils import UnionFind, optimal_param, xxh3_32hash

    bands, rows = optimal_param(THRESHOLD, PERMUTATIONS)
    prime, most = numpy.uint64((1 << 61) - 1), numpy.uint32((1 << 32) - 1)
    generator = numpy.random.RandomState(42)
    factors = generator.randint(1, prime, size=PERMUTATIONS, dtype=numpy.uint64)
    terms = generator.randint(0, prime, size=PERMUTATIONS, dtype=numpy.uint64)
    tables: list[dict[bytes, set[int]]] = [defaultdict(set) for _ in range(bands)]
    for number, text in enumerate(texts):
        made = embed_func(
            text,
            number,
            num_perm=PERMUTATIONS,
            ngram_size=5,
            min_length=5,
            hashranges=[(band * rows, (band + 1) * rows) for band in range(bands)],
            permutations=(factors, terms),
            hash_func=xxh3_32hash,
            dtype=numpy.uint64,
            max_hash=most,
            modulo_prime=prime,
        )
        for table, key in zip(tables, made["__signatures__"], strict=True):
            table[key].add(number)
    clusters = UnionFind()
    for table in tables:
        for cluster in table.values():
            for number in cluster:
                clusters.union(number, min(cluster))
    first: dict[int, int] = {}
    for number in range(len(texts)):  # whichever document is the cluster's root
        first.setdefault(clusters.find(number), number)
    return set(range(len(texts))).difference(first.values())


def datatrove_signatures(texts: list[str]) -> set[int]:
    """MinhashDedupSignature's shingles and signatures only, with 112 hashes, its default."""
    from datatrove.pipeline.dedup.minhash import MinhashDedupSignature

    with tempfile.TemporaryDirectory() as folder:
        step = MinhashDedupSignature(folder)
        for text in texts:
            step.get_signature(step.get_shingles(text))
    return set()


CONTENDERS: dict[str, tuple[str, Callable[[list[str]], set[int]]]] = {
    "datasketch": ("datasketch", with_datasketch),
    "text-dedup": ("text_dedup", with_text_dedup),
    "datatrove, signatures only": (DATATROVE, datatrove_signatures),
    OURS: ("stages", this_project),
}


def compare(megabytes: float, rounds: int) -> bool:
    """Runs all contenders in turn, prints the table and the targets; returns whether all hold."""
    texts, alike, unlike = documents(megabytes)
    size = sum(map(len, texts)) / 1e6
    modules = {name: module for name, (module, _) in CONTENDERS.items()}
    works = {name: CONTENDERS[name][1] for name in taking_part(CONTENDERS, modules)}
    seconds: dict[str, list[float]] = {name: [] for name in works}
    dropped: dict[str, set[int]] = {}
    for work in works.values():
        work(texts[:20])  # imports, compilation and models are not timed
    for _ in range(rounds):
        for name, work in works.items():
            started = time.perf_counter()
            dropped[name] = work(texts)
            seconds[name].append(time.perf_counter() - started)
    median = {name: statistics.median(values) for name, values in seconds.items()}
    print(
        f"{len(texts)} documents, {size:.1f} MB; {len(alike)} are copies with a similarity of at "
        f"least {THRESHOLD + MARGIN:.2f}, {len(unlike)} with one of at most "
        f"{THRESHOLD - MARGIN:.2f}"
    )
    print(f"{'':28} documents/s   MB/s  dropped  alike  unlike  this project is")
    for name, value in median.items():
        gone = dropped[name]
        print(
            f"{name:28} {len(texts) / value:11.0f} {size / value:6.1f} {len(gone):8} "
            f"{len(gone & alike):6} {len(gone & unlike):7} {value / median[OURS]:8.1f} x as fast"
        )
    gone = dropped[OURS]
    similar = quotient(len(gone & alike), len(alike) or None)
    others = quotient(len(gone & unlike), len(unlike) or None)
    return all(
        [
            *(_faster(name, seconds) for name in works if name != OURS),
            report("dropped of similar copies", similar, "at least", 0.98),
            report("dropped of the others", others, "at most", 0.02),
        ]
    )


def _faster(name: str, seconds: dict[str, list[float]]) -> bool:
    """Reports how many times as fast this project is; times are compared round by round."""
    pairs = zip(seconds[name], seconds[OURS], strict=True)
    ratio = statistics.median(theirs / own for theirs, own in pairs)
    return report(f"times {name}", ratio, "at least", 1)


def main() -> None:
    """Reads the command line and compares."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--megabytes", type=float, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    sys.exit(0 if compare(arguments.megabytes, arguments.rounds) else 1)


if __name__ == "__main__":
    main()
