import hashlib
import json
import tempfile
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.jsonl.candidates import Candidate
from stages.jsonl.corpus_shards import write_whole
from stages.jsonl.duplicates import find_duplicates
from stages.jsonl.judging import Judge
from stages.jsonl.members import Member
from stages.jsonl.mixing import Document, mixed
from stages.jsonl.opt_out import OptOut
from stages.jsonl.prepared import write_prepared
from tests.tiny import rules

JUDGE = Judge(rules(), OptOut())
TEXT = "".join(f"word{number} " for number in range(60))


def candidate(text: str) -> Candidate:
    record = {
        "content": text,
        "id": None,
        "source": "s",
        "path": "p",
        "repo": None,
        "license": "MIT",
    }
    return Candidate(record)


def member(folder: Path, name: str, texts: list[str], weight: float = 1, unit: int = 7) -> Member:
    """A prepared source, cut into units of some documents."""
    units = []
    (folder / name).mkdir(parents=True)
    for first in range(0, len(texts), unit):
        path = folder / name / f"{first:06d}"
        judged = map(JUDGE.judge, map(candidate, texts[first : first + unit]))
        write_prepared(path, judged, with_signatures=True)
        units.append(path)
    return Member(name, weight, units)


def mix(folder: Path, members: list[Member], similarity: float | None = None) -> list[Document]:
    return list(mixed(members, find_duplicates(members, similarity, folder)))


def records(documents: list[Document]) -> list[dict[str, Any]]:
    """The records of the corpus, read where their lines were judged."""
    with tempfile.TemporaryDirectory() as name:
        lines = (document.line for document in documents if not document.reason)
        shards = write_whole(Path(name), lines, "none", int)
        return [json.loads(line) for shard in shards for line in Path(name, shard.name).open()]


def contents(documents: list[Document]) -> list[str]:
    return [record["content"] for record in records(documents)]


def numbered(name: str, count: int) -> list[str]:
    return [f"{name} {number}" for number in range(count)]


def test_one_source_stays_in_its_order(tmp_path: Path) -> None:
    texts = numbered("a", 50)
    assert contents(mix(tmp_path, [member(tmp_path, "a", texts)])) == texts


def test_the_cut_into_units_changes_nothing(tmp_path: Path) -> None:
    found = []
    for unit in (1, 3, 100):
        folder = tmp_path / str(unit)
        texts = [*numbered("a", 20), "a 3", "a 5", *numbered("a", 4)]
        sources = [
            member(folder, "a", texts, 1.5, unit),
            member(folder, "b", numbered("b", 9), 1, unit),
        ]
        documents = mix(folder, sources)
        found.append((records(documents), [document.dropped for document in documents]))
    assert found[0] == found[1] == found[2]


def test_every_document_of_every_source_is_there_once(tmp_path: Path) -> None:
    sources = [member(tmp_path, name, numbered(name, size)) for name, size in (("a", 40), ("b", 7))]
    assert sorted(contents(mix(tmp_path, sources))) == sorted(numbered("a", 40) + numbered("b", 7))


def test_a_small_source_is_spread_over_a_large_one(tmp_path: Path) -> None:
    sources = [member(tmp_path, "a", numbered("a", 99)), member(tmp_path, "b", numbered("b", 9))]
    found = contents(mix(tmp_path, sources))
    places = [place for place, text in enumerate(found) if text.startswith("b")]
    gaps = [after - before for before, after in pairwise(places)]
    assert max(gaps) <= 14 and min(gaps) >= 8


@pytest.mark.parametrize(
    ("weight", "low", "high"), [(0.5, 70, 130), (2, 400, 400), (2.25, 415, 485)]
)
def test_a_weight_says_how_often_a_document_is_taken(
    tmp_path: Path, weight: float, low: int, high: int
) -> None:
    documents = mix(tmp_path, [member(tmp_path, "a", numbered("a", 200), weight)])
    counts = Counter(contents(documents))
    assert low <= counts.total() <= high
    if weight >= 1:
        assert len(counts) == 200
        assert set(counts.values()) <= {int(weight), int(weight) + 1}
    else:
        assert [document.reason for document in documents].count("not sampled") == 200 - len(counts)


def test_what_a_smaller_weight_takes_a_larger_one_takes_too(tmp_path: Path) -> None:
    taken = [
        set(
            contents(
                mix(tmp_path, [member(tmp_path / str(weight), "a", numbered("a", 99), weight)])
            )
        )
        for weight in (0.2, 0.4, 0.8)
    ]
    assert taken[0] < taken[1] < taken[2]


def test_a_copy_says_that_it_is_one(tmp_path: Path) -> None:
    documents = mix(tmp_path, [member(tmp_path, "a", ["x", "y"], 3)])
    assert [
        (record["content"], record.get("copy"))
        for record in records(documents)
        if record["content"] == "x"
    ] == [
        ("x", None),
        ("x", 2),
        ("x", 3),
    ]


def test_an_equal_document_of_a_later_source_is_a_duplicate(tmp_path: Path) -> None:
    sources = [member(tmp_path, "a", ["one", "two"]), member(tmp_path, "b", ["two", "three"])]
    documents = mix(tmp_path, sources)
    assert sorted(contents(documents)) == ["one", "three", "two"]
    (dropped,) = [document for document in documents if document.reason]
    assert (dropped.member, dropped.reason) == ("b", "duplicate")


@pytest.mark.parametrize("similarity", [None, 0.7])
@pytest.mark.parametrize("names", ["ab", "ba", "abc", "bca"])
def test_what_a_weight_leaves_out_makes_nothing_a_duplicate(
    tmp_path: Path, names: str, similarity: float | None
) -> None:
    texts = [f"{name} {TEXT[:40]}" for name in numbered("t", 200)]
    weights = {"a": 0.1, "b": 1, "c": 0.5}
    sources = [member(tmp_path, name, texts, weights[name]) for name in names]
    documents = mix(tmp_path, sources, similarity)
    assert len(contents(documents)) == 200
    assert set(contents(documents)) == set(texts)
    assert len(documents) == 200 * len(names)


def test_a_near_copy_of_what_is_not_sampled_stays(tmp_path: Path) -> None:
    """Near copies have keys that differ, so that a weight takes some and not others."""
    texts = [TEXT.replace(f"word{number} ", "other ") for number in range(40)]
    for name, weight in (("a", 0.1), ("b", 0.5), ("c", 1.0)):
        documents = mix(tmp_path, [member(tmp_path, name, texts, weight)], 0.7)
        counts = Counter(document.reason for document in documents)
        assert counts[""] == 1, "the first that is taken stays, whichever it is"
        assert counts["near duplicate"] + counts["not sampled"] == 39
        for document in documents:
            if document.reason == "near duplicate":
                [stayed] = records(documents)
                assert json.loads(document.dropped)["detail"] == stayed["id"]


SOURCES = st.lists(
    st.tuples(
        st.lists(st.sampled_from(numbered("t", 12)), max_size=14),
        st.sampled_from([0.1, 0.5, 1, 1.5, 2, 3]),
    ),
    min_size=1,
    max_size=3,
)


def expected(sources: list[tuple[list[str], float]]) -> Counter[str]:
    """The corpus by the rule itself: the first source that takes a text says how often it stands
    there.
    """
    corpus: Counter[str] = Counter()
    for texts, weight in sources:
        for text in dict.fromkeys(texts):
            head = int.from_bytes(hashlib.sha1(text.encode()).digest()[:8]) / 2**64
            copies = int(weight) + (head < weight % 1)
            if text not in corpus and copies:
                corpus[text] = copies
    return corpus


@settings(max_examples=60, deadline=None, derandomize=True)
@given(SOURCES)
def test_the_first_source_that_takes_a_text_decides_how_often_it_is_there(
    sources: list[tuple[list[str], float]],
) -> None:
    found = []
    for similarity in (None, 0.99):
        with tempfile.TemporaryDirectory() as folder:
            members = [
                member(Path(folder), str(number), texts, weight, 5)
                for number, (texts, weight) in enumerate(sources)
            ]
            documents = mix(Path(folder), members, similarity)
            found.append(Counter(contents(documents)))
        assert len(documents) - sum(document.line.copy > 1 for document in documents) == sum(
            len(texts) for texts, _ in sources
        )
    assert found[0] == found[1] == expected(sources)


def test_a_near_copy_is_dropped_and_says_of_which(tmp_path: Path) -> None:
    near = TEXT.replace("word30 ", "other ")
    far = "".join(f"thing{number} " for number in range(60))
    sources = [member(tmp_path, "a", [far, TEXT]), member(tmp_path, "b", [TEXT, near, "short"])]
    documents = mix(tmp_path, sources, 0.7)
    assert sorted(contents(documents)) == sorted([far, TEXT, "short"])
    dropped = {
        document.reason: json.loads(document.dropped) for document in documents if document.reason
    }
    assert set(dropped) == {"duplicate", "near duplicate"}
    first = next(record for record in records(documents) if record["content"] == TEXT)
    assert dropped["near duplicate"]["detail"] == first["id"]
