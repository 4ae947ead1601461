import io
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tohum.commands.show.lettering import columns, say, seen, wrapped


def test_what_cannot_be_seen_has_a_sign() -> None:
    assert seen(b" a\n\tb\r") == "␣a⏎⇥b␍"
    assert seen(b"\x1b[0m") == r"\x1b[0m"


def test_a_part_of_a_letter_is_its_bytes() -> None:
    assert seen("nasıl".encode()) == "nasıl"
    assert seen("ı".encode()[:1]) == "<C4>"
    assert seen(b"a\xb1\xc4") == "a<B1><C4>"


@given(st.binary())
def test_any_token_is_on_one_line(word: bytes) -> None:
    assert len(seen(word).splitlines()) <= 1


@given(st.lists(st.text("aığ中", min_size=1, max_size=8), min_size=1), st.integers(16, 40))
def test_wrapped_pieces_fit_and_none_is_lost(pieces: list[str], width: int) -> None:
    lines = wrapped(pieces, width)
    assert all(columns(line) <= width for line in lines)
    assert "·".join(lines) == "·".join(pieces)


@pytest.mark.parametrize(("encoding", "shown"), [("utf-8", "␣ı·█"), ("cp1254", "_ı|#")])
def test_a_terminal_without_a_sign_gets_another(
    monkeypatch: pytest.MonkeyPatch, encoding: str, shown: str
) -> None:
    printed = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(printed, encoding))
    say(["␣ı·█"])
    sys.stdout.flush()
    assert printed.getvalue().decode(encoding).split() == [shown]
