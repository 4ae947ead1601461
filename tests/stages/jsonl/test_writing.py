"""The planned and parallel second pass against the rule itself: one document after another."""

import heapq
import json
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy
import orjson
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.jsonl import writing
from stages.jsonl.candidates import Candidate
from stages.jsonl.duplicates import Duplicates, find_duplicates
from stages.jsonl.judging import Judge, dropped_line
from stages.jsonl.members import Member
from stages.jsonl.mixing import plan_shards
from stages.jsonl.opt_out import OptOut
from stages.jsonl.prepared import Prepared, write_prepared
from stages.jsonl.writing import WrittenCorpus, write_corpus
from tests.tiny import rules, runtime
from tohum.files import file_sha256
from tohum.formats.records import read_records, shard_paths

OPT_OUT = OptOut(repos={"r/0": 3, "r/1": 5}, entries={3: "repo r/0", 5: "repo r/1"})
JUDGE = Judge(rules(min_bytes=4, max_bytes=2000), OPT_OUT)
LONG = " ".join(f"word{number}" for number in range(60))
Line = tuple[str, bytes, str, int, int]  # reason, line, member, size, copy


def candidate(text: str, place: int) -> Candidate:
    record = {
        "content": text,
        "id": None,
        "source": "s",
        "path": f"{place}.txt",
        "repo": f"r/{place % 7}",
        "license": ("MIT", None)[place % 2],
    }
    return Candidate(record)


def prepared(folder: Path, name: str, texts: list[str], weight: float, unit: int) -> Member:
    units = []
    (folder / name).mkdir(parents=True)
    for first in range(0, len(texts), unit):
        units.append(folder / name / f"{first:06d}")
        judged = (
            JUDGE.judge(candidate(text, place))
            for place, text in enumerate(texts[first : first + unit], first)
        )
        write_prepared(units[-1], judged, with_signatures=True)
    return Member(name, weight, units)


def stream(
    member: Member, copy: int, row: int, number: int, duplicates: Duplicates
) -> Iterator[Line]:
    """One pass over a source, a document at a time."""
    for path in member.units:
        unit = Prepared.read(path)
        taken, first = member.taken(unit, copy), member.taken(unit)
        for place, line in enumerate(unit.lines(numpy.arange(len(unit.documents)))):
            size = int(unit.documents["size"][place])
            reason = unit.reasons[unit.documents["reason"][place]]
            detail = ""
            own = bool(reason)
            if not reason and not taken[place]:
                reason = "not sampled"
            if duplicates.again[row]:
                reason = "duplicate"
            elif first[place]:
                near = number if duplicates.near is None else int(duplicates.near[number])
                if near != number:
                    reason = "near duplicate"
                    [key] = duplicates.keys_of(numpy.array([near]))
                    detail = bytes(key).hex()
                number += 1
            row += 1
            if copy > 1:
                if not reason:
                    yield "", line[:-2] + b',"copy":%d}\n' % copy, member.name, size, copy
            elif own or not reason:
                yield reason, line, member.name, size, copy
            else:
                dropped = dropped_line(orjson.loads(line), reason, size, detail)
                yield reason, dropped, member.name, size, copy


def one_by_one(members: list[Member], duplicates: Duplicates) -> Iterator[Line]:
    """The stream that has made the least progress gives the next document."""
    streams: list[list[Line]] = []
    row = number = 0
    for member in members:
        for copy in range(1, math.ceil(member.weight) + 1):
            streams.append(list(stream(member, copy, row, number, duplicates)))
        for path in member.units:
            taken = member.taken(Prepared.read(path))
            number += int((taken & ~duplicates.again[row : row + len(taken)]).sum())
            row += len(taken)
    added = [  # without what says that a record is a copy
        sum(
            len(line) - (copy > 1) * len(b',"copy":%d' % copy)
            for reason, line, _, _, copy in lines
            if not reason
        )
        for lines in streams
    ]
    running = [iter(lines) for lines in streams]
    progress = [(0.0, place) for place in range(len(streams))]
    done = [0] * len(streams)
    while progress:
        _, place = progress[0]
        document = next(running[place], None)
        if document is None:
            heapq.heappop(progress)
            continue
        if not document[0]:
            done[place] += len(document[1])
        heapq.heapreplace(progress, (done[place] / max(1, added[place]), place))
        yield document


def expected_files(lines: list[Line], shard_bytes: int | None) -> dict[str, bytes]:
    """The shards and dropped.jsonl."""
    shards: list[list[bytes]] = []
    for reason, line, *_ in lines:
        if reason:
            continue
        full = shard_bytes and shards and sum(map(len, shards[-1])) + len(line) > shard_bytes
        if not shards or full:
            shards.append([])
        shards[-1].append(line)
    files = {"dropped.jsonl": b"".join(line for reason, line, *_ in lines if reason)}
    for number, shard in enumerate(shards):
        name = f"part-{number:05d}.jsonl" if shard_bytes else "corpus.jsonl"
        files[name] = b"".join(shard)
    return files


def found_files(out: Path, compression: str) -> dict[str, bytes]:
    files = {path.name: path.read_bytes() for path in out.iterdir()}
    if compression == "none":
        return files
    unzip = zstandard.ZstdDecompressor
    return {
        name.removesuffix(".zst"): unzip().decompressobj().decompress(content)
        if name.endswith(".zst")
        else content
        for name, content in files.items()
    }


def write(
    folder: Path,
    members: list[Member],
    duplicates: Duplicates,
    shard_bytes: int | None,
    compression: str = "none",
    workers: int = 1,
) -> tuple[WrittenCorpus, Path]:
    config = replace(rules(), shard_bytes=shard_bytes, compression=compression)
    plans = plan_shards(members, duplicates, shard_bytes)
    corpus = write_corpus(plans, config, runtime(workers), folder / "written")
    out = folder / "out"
    out.mkdir()
    corpus.write_dropped(out / "dropped.jsonl", [])
    corpus.move_shards(out)
    return corpus, out


TEXTS = st.one_of(
    st.sampled_from(["", "abc", *(f"text {number}" for number in range(12)), "y" * 3000]),
    st.integers(0, 59).map(lambda number: LONG.replace(f"word{number} ", "other ")),
    st.integers(1, 1900).map(lambda size: "x" * size),
)
SOURCES = st.lists(
    st.tuples(
        st.lists(TEXTS, max_size=25),
        st.sampled_from([0.3, 1, 1, 2.5]),
        st.sampled_from([1, 4, 30]),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=60, deadline=None)
@given(
    SOURCES,
    st.sampled_from([300, 1024, 5000, None]),
    st.sampled_from(["none", "zstd"]),
    st.sampled_from([None, 0.7]),
)
def test_the_corpus_is_that_of_one_document_after_another(
    sources: list[tuple[list[str], float, int]],
    shard_bytes: int | None,
    compression: str,
    similarity: float | None,
) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        members = [prepared(folder, f"s{number}", *source) for number, source in enumerate(sources)]
        duplicates = find_duplicates(members, similarity, folder)
        lines = list(one_by_one(members, duplicates))
        corpus, out = write(folder, members, duplicates, shard_bytes, compression)
        assert found_files(out, compression) == expected_files(lines, shard_bytes)
        check_counts(corpus, lines)
        for shard in corpus.totals.shards:
            path = out / shard.name
            assert shard.sha256 == file_sha256(path)
            assert shard.bytes == path.stat().st_size
            assert shard.documents == len(list(read_records(path)))


def check_counts(corpus: WrittenCorpus, lines: list[Line]) -> None:
    """Compares the counts with those of single documents; the order of what is counted too."""
    totals = corpus.totals
    kept = [line for line in lines if not line[0]]
    assert totals.documents == len(kept)
    assert totals.bytes == sum(size for _, _, _, size, _ in kept)
    assert totals.copies == sum(copy > 1 for *_, copy in kept)
    assert list(totals.sources) == list(dict.fromkeys(member for _, _, member, _, _ in kept))
    dropped: dict[str, Counter[str]] = {}
    sizes: Counter[str] = Counter()
    opted_out = set()
    for reason, line, member, size, _ in lines:
        if reason:
            dropped.setdefault(member, Counter())[reason] += 1
            sizes[reason] += size
        if reason == "opted out":
            opted_out.add(int(json.loads(line)["detail"].rpartition(" ")[2]))
    assert totals.dropped_bytes == sizes
    assert [(name, list(found.items())) for name, found in corpus.dropped.items()] == [
        (name, list(found.items())) for name, found in dropped.items()
    ]
    assert list(totals.dropped.items()) == list(sum(dropped.values(), Counter()).items())
    assert corpus.opted_out == opted_out
    origins: Counter[tuple[str, tuple[str | None, str | None]]] = Counter()
    for _, line, member, _, _ in kept:
        record = json.loads(line)
        origins[member, (record["repo"], record["license"])] += 1
    assert list(corpus.origins.documents.items()) == list(origins.items())


def many(folder: Path) -> tuple[list[Member], Duplicates]:
    folder.mkdir(exist_ok=True)
    texts = [f"document {number} " * (1 + number % 9) for number in range(120)]
    members = [prepared(folder, "a", texts, 2.5, 16), prepared(folder, "b", texts[60:], 0.3, 16)]
    return members, find_duplicates(members, 0.9, folder)


@pytest.mark.slow
def test_processes_write_what_one_writes(tmp_path: Path) -> None:
    found = []
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        members, duplicates = many(folder)
        corpus, out = write(folder, members, duplicates, 1500, workers=workers)
        assert len(corpus.totals.shards) > 2 * writing.INLINE_SHARDS
        found.append((found_files(out, "none"), corpus.totals, vars(corpus.origins)))
    assert found[0] == found[1]


class Killed(Exception):
    """Ends a run between two shards."""


def test_a_killed_pass_goes_on_after_the_shards_that_it_has_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    members, duplicates = many(tmp_path)
    config = replace(rules(), shard_bytes=1500)
    plans = list(plan_shards(members, duplicates, 1500))
    folder = tmp_path / "written"

    def until_killed() -> Iterator[Any]:
        yield from plans[:5]
        raise Killed

    with pytest.raises(Killed):
        write_corpus(until_killed(), config, runtime(), folder)
    assert len(list(folder.glob("*.json"))) == 5
    (folder / "part-00001.jsonl").write_bytes(b"damaged")
    untouched = {path: path.stat().st_mtime_ns for path in folder.glob("part-0000[0234].jsonl")}
    assert len(untouched) == 4
    _, out = write(tmp_path, members, duplicates, 1500)
    for path, time in untouched.items():
        assert (out / path.name).stat().st_mtime_ns == time
    alone = tmp_path / "alone"
    alone.mkdir()
    _, expected = write(alone, members, duplicates, 1500)
    assert found_files(out, "none") == found_files(expected, "none")


def test_an_attempt_that_fails_leaves_no_shard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    members, duplicates = many(tmp_path)
    monkeypatch.setattr(writing._Losses, "rows", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write(tmp_path, members, duplicates, None)
    assert not list((tmp_path / "written").glob("*.json"))
    monkeypatch.undo()
    monkeypatch.setattr(writing._Losses, "add", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write(tmp_path / "written", members, duplicates, 1500)
    assert not list((tmp_path / "written" / "written").iterdir())


def test_a_plan_takes_a_few_bytes_for_each_document(tmp_path: Path) -> None:
    members, duplicates = many(tmp_path)
    [plan] = plan_shards(members, duplicates, None)
    documents = len(plan.order)
    verdicts = sum(part.verdicts.nbytes for each in plan.streams.values() for part in each.parts)
    assert plan.order.nbytes == documents
    assert verdicts <= 3 * 120 + 60
    paths = [[part.path for part in each.parts] for each in plan.streams.values()]
    assert all(len(path) == len(list(groupby(path))) for path in paths)


def test_shards_have_their_names_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    members, duplicates = many(tmp_path)
    corpus, out = write(tmp_path, members, duplicates, 2000)
    names = [path.name for path in shard_paths(out)]
    assert names == [shard.name for shard in corpus.totals.shards]
    assert names == [f"part-{number:05d}.jsonl" for number in range(len(names))]
