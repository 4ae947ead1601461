import pytest
from hypothesis import given
from hypothesis import strategies as st

from tohum.fields.selectors import get_value, paths_of

TEXTS = st.text(st.characters(exclude_characters="\n\\", codec="utf-8"), min_size=1).filter(
    lambda text: not text.isspace()
)
NAMES = st.text("abçı_ ", min_size=1, max_size=5).filter(str.strip)


def escape(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


@given(st.lists(st.tuples(TEXTS, NAMES, TEXTS), min_size=1, max_size=4))
def test_a_template_gives_its_text_with_the_columns_in_it(
    parts: list[tuple[str, str, str]],
) -> None:
    row = {name: value for _, name, value in parts}
    template = "".join(f"{escape(literal)}{{{name}}}" for literal, name, _ in parts)

    filled = get_value(template)(row, None)
    assert filled == "".join(literal + row[name] for literal, name, _ in parts)


@given(st.lists(st.none() | st.just("") | TEXTS, min_size=1, max_size=5))
def test_blocks_whose_columns_are_empty_are_left_out(values: list[str | None]) -> None:
    row = {f"c{number}": value for number, value in enumerate(values)}
    template = "\n\n".join(f"Part: {{{name}}}" for name in row)

    filled = get_value(template)(row, None)
    assert filled == ("\n\n".join(f"Part: {text}" for text in values if text) or None)


def test_a_block_without_columns_stays_and_a_column_may_be_absent() -> None:
    get = get_value("Answer.\n\n{a} and {b}\n\n{c}")

    assert get({"a": "x", "b": None}, None) == "Answer.\n\nx and "
    assert get({"c": ""}, None) is None


def test_a_written_line_feed_is_one() -> None:
    assert get_value(r"{a}\n\n{b}")({"a": "x", "b": "y"}, None) == "x\n\ny"


def test_values_are_not_read_as_templates() -> None:
    assert get_value("{a}\n\n{b}")({"a": "{b}", "b": "\n\n"}, None) == "{b}"


@pytest.mark.parametrize(
    ("written", "each", "steps"),
    [
        ("a", None, ("a",)),
        ("a.b", None, ("a", "b")),
        ("a[]", "a", ()),
        ("a[].b.c", "a", ("b", "c")),
        ("a.b[].c", "a.b", ("c",)),
    ],
)
def test_paths_are_parsed(written: str, each: str | None, steps: tuple[str, ...]) -> None:
    [path] = paths_of(written)

    assert (path.each, path.steps) == (each, steps)
