from collections.abc import Iterator

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.evaluate.code_completion import (
    edit_similarity,
    first_line,
    is_exact,
    keys_needed,
    measure,
    measured_completion,
)
from stages.evaluate.ngrams import Ngrams
from stages.evaluate.places import HeldOutText, LinePlace, choose_places
from stages.evaluate.suggesters import LineCopier, ModelWriter
from tests.tiny import module_sources, write_tiny_tokenizer
from tohum.formats.special_tokens import END_OF_TEXT_ID

CODE = module_sources(("bisect", "heapq"))
PLACES = choose_places([HeldOutText(text[:9], text, "Python") for text in CODE], 12)
PLACE = LinePlace("def f():\n", "    return abc.defg", "\n", ((11, 14), (15, 19)))


class Says:
    """Suggests the rest of a line that it has been told, character by character."""

    def __init__(self, told: str) -> None:
        self.told = told

    def line(self, place: LinePlace, typed: str = "") -> Iterator[str]:
        yield from (self.told + "\n")[len(typed) :] if self.told.startswith(typed) else "\n"

    def middle(self, place: LinePlace) -> Iterator[str]:
        return self.line(place)


def plain_similarity(one: str, two: str) -> float:
    """1 - (insertions and deletions) / (both sizes), by the table of all pairs of prefixes."""
    row = list(range(len(two) + 1))
    for place, letter in enumerate(one, 1):
        left, row = row, [place]
        for other, cost in zip(two, left, strict=False):
            both = cost if letter == other else min(left[len(row)], row[-1]) + 1
            row.append(both)
    return 1 - row[-1] / (len(one) + len(two)) if one or two else 1.0


@given(st.text("ab (", max_size=12), st.text("ab (", max_size=12))
def test_edit_similarity_is_that_of_the_plain_table(one: str, two: str) -> None:
    wanted = plain_similarity(one.strip(), two.strip())
    assert edit_similarity(one, two) == pytest.approx(wanted)


def test_a_line_is_exact_whatever_its_spaces() -> None:
    assert is_exact("  a =  b ", "a = b")
    assert not is_exact("a=b", "a = b")


def test_the_first_line_is_the_first_that_is_not_blank_and_no_more_is_read() -> None:
    pieces = iter(["\n", "  ", "\n a", " b\nc", "never"])
    assert first_line(pieces) == "a b"
    assert next(pieces) == "never"
    assert first_line([]) == ""
    assert len(first_line("x" for _ in range(10_000))) < 1000


@pytest.mark.parametrize(
    ("told", "keys"),
    [
        (PLACE.line, 1),  # the whole line at once
        ("", len("return abc.defg")),
        ("    return abc.defgh", 7),  # `return`, ` abc`, `.`, and the last word by hand
        ("    return abd.defg", 1 + 9),  # `return`, and the rest by hand
    ],
)
def test_keys_are_those_of_a_writer_who_accepts_what_is_right(told: str, keys: int) -> None:
    assert keys_needed(Says(told), PLACE) == keys


def test_who_knows_the_line_is_right_everywhere_and_who_knows_nothing_saves_nothing() -> None:
    figures = measured_completion({"model": Says(PLACE.line), "copy": Says("x")}, [PLACE], False)
    assert {key: figures[key] for key in ("places", "identifiers", "characters")} == {
        "places": 1,
        "identifiers": 2,
        "characters": len("return abc.defg"),
    }
    best, worst = figures["model"], figures["copy"]
    assert (best["line_exact"], best["line_similarity"], best["identifier"]) == (1, 1, 1)
    assert best["keystrokes_saved"] == pytest.approx(1 - 1 / 15, abs=1e-4)
    assert (worst["line_exact"], worst["identifier"], worst["keystrokes_saved"]) == (0, 0, 0)
    assert "middle_exact" not in best
    assert worst["middle_exact"] == 0


def test_the_copier_goes_on_as_the_nearest_earlier_line_that_begins_the_same() -> None:
    before = "a = one(1)\nb = 2\na = two(2)\nc = 3\n"
    place = LinePlace(before, "a = x", "\nc = 3\n\nd = 4\n")
    assert first_line(LineCopier().line(place, "a = ")) == "two(2)"
    assert first_line(LineCopier().line(place, "a = o")) == "ne(1)"
    assert first_line(LineCopier().middle(place)) == "d = 4"  # after `c = 3` and the line before it
    assert first_line(LineCopier().line(LinePlace("", "x", "\n"))) == ""


@given(st.text("ab\n", min_size=1, max_size=30))
def test_the_copier_finds_the_longest_text_that_came_before(text: str) -> None:
    ends = (text[start:] for start in range(len(text) + 1))
    longest = next(end for end in ends if text.find(end) < len(text) - len(end) or not end)
    at = text.rfind(longest, 0, len(text) - 1) + len(longest)
    assert "".join(LineCopier().line(LinePlace(text, "x", ""))) == text[at:]


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> ModelWriter:
    """An n-gram that has read all of CODE, which therefore knows how it goes on."""
    tokenizer = write_tiny_tokenizer(tmp_path_factory.mktemp("writer") / "tokenizer")
    ids = [id for text in CODE for id in (END_OF_TEXT_ID, *tokenizer.encode(text).ids)]
    return ModelWriter(Ngrams(numpy.array(ids), 300, 64), tokenizer)


def test_figures_do_not_depend_on_the_places_beside(writer: ModelWriter) -> None:
    together = measure(writer, PLACES, True)
    alone = [measure(writer, [place], True) for place in PLACES]
    similarity = sum(found.line_similarity for found in alone) / len(alone)
    assert together.line_similarity == pytest.approx(similarity, abs=1e-4)
    assert together == measure(writer, PLACES, True)
    assert 0 < together.keystrokes_saved < 1


def test_a_writer_saves_keys_in_text_that_it_has_read(writer: ModelWriter) -> None:
    keys = sum(keys_needed(writer, place) for place in PLACES)
    assert keys < 0.8 * sum(len(place.line.strip()) for place in PLACES)
