from dataclasses import asdict, dataclass
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tohum.config.sections import limits, nearest, read_section
from tohum.errors import UserError


@dataclass
class Section:
    names: list[str]
    title: str | None
    fast: bool
    size: int = limits(minimum=1, maximum=10)
    share: float | None = limits(minimum=0, maximum=1)
    form: str = limits(choices=("round", "square"))


GOOD: dict[str, Any] = {
    "names": ["a"],
    "title": None,
    "fast": True,
    "size": 3,
    "share": 0.5,
    "form": "round",
}


def refusal(values: Any) -> str:
    with pytest.raises(UserError) as caught:
        read_section("part", Section, values)
    return str(caught.value)


@given(
    st.lists(st.text()),
    st.none() | st.text(),
    st.booleans(),
    st.integers(1, 10),
    st.none() | st.floats(0, 1),
    st.sampled_from(["round", "square"]),
)
def test_allowed_values_come_back_as_they_are(
    names: list[str], title: str | None, fast: bool, size: int, share: float | None, form: str
) -> None:
    values = dict(zip(GOOD, (names, title, fast, size, share, form), strict=True))
    assume(not any("${" in text or text == "???" for text in [*names, title or ""]))
    assert asdict(read_section("part", Section, values)) == values


def test_a_whole_number_stands_for_a_fraction() -> None:
    section = read_section("part", Section, {**GOOD, "share": 1})
    assert section.share == 1.0
    assert isinstance(section.share, float)


@pytest.mark.parametrize("size", [1, 10])
def test_limits_are_inclusive(size: int) -> None:
    assert read_section("part", Section, {**GOOD, "size": size}).size == size


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("size", 0, "part.size is 0, expected at least 1."),
        ("size", 11, "part.size is 11, expected at most 10."),
        ("share", -0.1, "part.share is -0.1, expected at least 0."),
        ("share", float("nan"), "part.share is nan, expected at least 0."),
        ("form", "oval", "part.form is 'oval', allowed: round, square."),
        ("size", "many", "part.size is 'many', expected a whole number ("),
        ("size", 2.5, "part.size is 2.5, expected a whole number ("),
        ("size", True, "part.size is True, expected a whole number ("),
        ("size", None, "part.size is None, expected a whole number ("),
        ("size", [3], "part.size is [3], expected a whole number ("),
        ("share", "half", "part.share is 'half', expected a number or null ("),
        ("fast", "perhaps", "part.fast is 'perhaps', expected true or false ("),
        ("title", ["a"], "part.title is ['a'], expected a string or null ("),
        ("form", None, "part.form is None, expected a string ("),
        ("names", None, "part.names is None, expected list[str] ("),
        ("names", "a", "part.names is 'a', expected list[str] ("),
        ("names", ["a", None], "part.names is ['a', None], expected list[str] ("),
    ],
)
def test_a_value_that_is_not_allowed_is_told_with_its_key_and_what_is_allowed(
    key: str, value: Any, told: str
) -> None:
    assert refusal({**GOOD, key: value}).startswith(told)


def test_an_unknown_key_is_told_with_the_nearest_one() -> None:
    assert refusal({**GOOD, "sizes": 3}) == "unknown key 'part.sizes'. Did you mean 'size'?"


def test_an_unknown_key_like_no_other_is_told_with_all_keys() -> None:
    assert refusal({**GOOD, "zzz": 3}) == (
        "unknown key 'part.zzz'. Known: names, title, fast, size, share, form."
    )


@pytest.mark.parametrize("key", list(GOOD))
def test_every_key_is_required(key: str) -> None:
    values = {name: value for name, value in GOOD.items() if name != key}
    assert refusal(values).startswith(f"part.{key} has no value: give it one")


def test_a_key_left_open_has_no_value() -> None:
    told = refusal({**GOOD, "title": "???"})
    assert told.startswith("part.title has no value")
    assert "params.yaml" in told


@pytest.mark.parametrize("values", [None, 3, "text", ["names"]])
def test_a_section_that_is_no_mapping_is_told_with_its_keys(values: Any) -> None:
    told = refusal(values)
    assert told.startswith(f"part is {values!r}, expected a mapping with the keys names, title")


@given(st.text(min_size=1), st.lists(st.text(min_size=1), min_size=1, unique=True))
def test_the_suggestion_is_a_known_name(name: str, known: list[str]) -> None:
    told = nearest(name, known)
    assert any(f"'{item}'" in told for item in known) or told == f" Known: {', '.join(known)}."
