import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.jsonl.text import Undecodable, decode, normalise

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
BOM = b"\xef\xbb\xbf"


@given(TEXT.filter(lambda text: not text.startswith("\ufeff")), st.booleans())
def test_utf_8_decodes_to_every_letter(text: str, is_python: bool) -> None:
    assert decode(text.encode(), is_python) == text
    assert decode(BOM + text.encode(), is_python) == text


@pytest.mark.parametrize(
    "cookie",
    ["# coding: latin-1", "# -*- coding: iso-8859-1 -*-", "#!/bin/sh\n# vim: fileencoding=latin-1"],
)
def test_a_python_file_is_decoded_as_it_declares(cookie: str) -> None:
    text = f"{cookie}\nname = 'é'\n"
    assert decode(text.encode("latin-1"), is_python=True) == text


def test_another_declared_encoding_is_used() -> None:
    text = "# coding: cp1254\nad = 'ğış'\n"
    assert decode(text.encode("cp1254"), is_python=True) == text


@pytest.mark.parametrize(
    "content",
    [
        b"name = '\xe9'\n",
        b"\n\n# coding: latin-1\n'\xe9'\n",  # PEP 263: on the first or second line
        b"# coding: no-such-encoding\n'\xe9'\n",
        b"# coding: utf-8\n'\xe9'\n",
        BOM + b"# coding: latin-1\n'\xe9'\n",  # PEP 263: a BOM allows utf-8 only
        b"# coding: hex\n'\xe9'\n",  # a codec, but not of text
        b"# coding: undefined\n'\xe9'\n",
        b"# coding: unicode_escape\n'\\ud800 \xe9'\n",  # half a letter, which UTF-8 cannot hold
        "name = 'é'\n".encode("utf-16"),
    ],
)
def test_what_no_declared_encoding_decodes_is_undecodable(content: bytes) -> None:
    with pytest.raises(Undecodable):
        decode(content, is_python=True)


def test_a_declaration_counts_in_python_files_only() -> None:
    with pytest.raises(Undecodable):
        decode(b"# coding: latin-1\n'\xe9'\n", is_python=False)


@given(st.binary(), st.booleans())
def test_any_bytes_decode_to_what_utf_8_can_hold_or_are_undecodable(
    content: bytes, is_python: bool
) -> None:
    try:
        text = decode(content, is_python)
    except Undecodable:
        return
    assert text.encode().decode() == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\r\nb", "a\nb"),
        ("a\rb", "a\nb"),
        ("a\r\r\nb", "a\n\nb"),
        ("\x0ca\u2028 \t\n", "\x0ca\u2028 \t\n"),
    ],
)
def test_line_ends_become_line_feeds_and_nothing_else_changes(text: str, expected: str) -> None:
    assert normalise(text) == expected


@given(st.lists(st.text(st.characters(exclude_characters="\r\n")), min_size=1))
def test_the_three_line_ends_are_the_same(lines: list[str]) -> None:
    assert {normalise(end.join(lines)) for end in ("\n", "\r\n", "\r")} == {"\n".join(lines)}


@given(st.text(st.sampled_from("a\r\n")))
def test_normal_text_stays_as_it_is(text: str) -> None:
    once = normalise(text)
    assert "\r" not in once
    assert normalise(once) == once
