import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.jsonl.text_decoding import (
    TEXT_ENCODINGS,
    Undecodable,
    decode,
    known_encoding,
    normalise,
)
from tests.fakes.blobs import sample_blobs

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
BOM = b"\xef\xbb\xbf"
PATHS = st.sampled_from(["a.py", "a.pyi", "a.js", ""])
NAMES = ["UTF-8", "ISO-8859-9", "WINDOWS-874", "UTF-16", "utf-7", "idna", "hex", "EUC-TW", "a\0b"]
ENCODINGS = st.none() | st.sampled_from(NAMES) | st.text(max_size=8)


@given(TEXT.filter(lambda text: not text.startswith("\ufeff")), PATHS)
def test_utf_8_decodes_to_every_letter(text: str, path: str) -> None:
    assert decode(text.encode(), None, path) == text
    assert decode(BOM + text.encode(), None, path) == text
    assert decode(BOM + text.encode(), "UTF-8", path) == text


def test_every_encoding_of_the_stack_decodes_to_every_letter() -> None:
    for blob in sample_blobs(32):
        assert decode(blob.content, blob.encoding, blob.path) == blob.text.removeprefix("\ufeff")


def test_the_named_encoding_goes_before_utf_8() -> None:
    assert decode("ğ".encode(), "ISO-8859-9", "a.js") == "ÄŸ".encode("cp1254").decode("iso8859-9")


NO_ENCODINGS = [
    *("EUC-TW", "VISCII", "undefined", "a\0b", "", " ", None, "şifre", "x" * 100_000, "../utf_8"),
    *("hex", "base64", "bz2", "zip", "rot13", "quopri", "uu", "aliases", "binary", "8bit", "mbcs"),
    *("punycode", "idna", "unicode_escape", "raw-unicode-escape", "utf-7", "hz", "charmap", "oem"),
    *("UNICODE ESCAPE", "Puny.Code", "u7", "hz-gb-2312", "unicode_1_1_utf_7"),
]


@pytest.mark.parametrize("name", NO_ENCODINGS)
def test_a_name_that_is_no_encoding_counts_as_none(name: str | None) -> None:
    assert known_encoding(name) is None
    assert decode("ğ".encode(), name, "a.js") == "ğ"
    with pytest.raises(Undecodable):
        decode(b"\xe9", name, "a.js")


@pytest.mark.parametrize("name", NO_ENCODINGS)
def test_a_large_file_costs_no_more_for_what_its_row_names(name: str | None) -> None:
    """1.2 MB took 59 s as punycode."""
    content = b"-" * 600_000 + b"a" * 600_000
    began = time.process_time()
    assert decode(content, name, "a.js") == content.decode()
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("UTF8", "utf-8"),
        (" utf-8 ", "utf-8"),
        ("Windows-1254", "cp1254"),
        ("WINDOWS-874", "cp874"),
        ("latin1", "iso8859-1"),
        ("ISO_8859-9:1989", "iso8859-9"),
        ("ISO-8859-9", "iso8859-9"),
        ("x-mac-turkish", None),
        ("macTurkish", "mac-turkish"),
        ("Big5", "big5"),
        ("ISO-2022-JP", "iso2022_jp"),
        ("UTF-16LE", "utf-16-le"),
    ],
)
def test_names_are_known_as_python_knows_them(name: str, expected: str | None) -> None:
    assert known_encoding(name) == expected


@pytest.mark.parametrize("name", sorted(TEXT_ENCODINGS))
def test_every_encoding_of_the_list_decodes_in_linear_time(name: str) -> None:
    def seconds(size: int) -> float:
        began = time.process_time()
        for byte in (b"\xff", b"-", b"\x1b$B", b"\xd8\0"):
            try:
                decode(byte * (size // len(byte)), name, "a.js")
            except Undecodable:
                continue
        return time.process_time() - began

    seconds(1000)
    assert seconds(100_000) < 0.5


@pytest.mark.parametrize(
    "cookie",
    ["# coding: latin-1", "# -*- coding: iso-8859-1 -*-", "#!/bin/sh\n# vim: fileencoding=latin-1"],
)
def test_a_python_file_is_decoded_as_it_declares(cookie: str) -> None:
    text = f"{cookie}\nname = 'é'\n"
    assert decode(text.encode("latin-1"), None, "a.py") == text


def test_another_declared_encoding_is_used() -> None:
    text = "# coding: cp1254\nad = 'ğış'\n"
    assert decode(text.encode("cp1254"), None, "a.pyi") == text


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
        decode(content, None, "a.py")


def test_a_declaration_counts_in_python_files_only() -> None:
    with pytest.raises(Undecodable):
        decode(b"# coding: latin-1\n'\xe9'\n", None, "a.js")


@pytest.mark.parametrize(("damaged", "decodes"), [(1, True), (2, False)])
def test_one_damaged_letter_in_a_hundred_is_replaced_and_no_more(
    damaged: int, decodes: bool
) -> None:
    content = b"\xff" * damaged + b"a" * (100 - damaged)
    if not decodes:
        with pytest.raises(Undecodable, match="2 of 100 characters are not UTF-8"):
            decode(content, "UTF-8", "a.js")
        return
    assert decode(content, "UTF-8", "a.js") == "\ufffd" + "a" * 99


@given(st.binary(), ENCODINGS, PATHS)
def test_any_bytes_decode_to_what_utf_8_can_hold_or_are_undecodable(
    content: bytes, encoding: str | None, path: str
) -> None:
    try:
        text = decode(content, encoding, path)
    except Undecodable:
        return
    assert text.encode().decode() == text


def test_half_a_letter_of_a_named_encoding_is_undecodable() -> None:
    for content in (b"+2AA-", b"+2AA- \xff"):
        with pytest.raises(Undecodable):
            decode(b"\xff" + content, "utf-7", "a.js")


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
