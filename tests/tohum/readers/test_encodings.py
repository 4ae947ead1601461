from pathlib import Path

import pytest

from tests.tohum.readers.reading import values_of, write
from tohum.errors import UserError
from tohum.readers import detect

TURKISH = "Işığı söndürüp çıkan öğrenci, yağmurda ıslanmış şapkasını unuttuğunu düşündü."
FRENCH = "Élève très sérieux, où êtes-vous allé cet été avec votre frère aîné, à Noël ?"
GERMAN = "Größere Übungen über die süßen Äpfel am Fluß, schöne Grüße aus München."
ICELANDIC = "Þórður og Guðrún eiga þrjú börn, það er gaman að sjá þau öll í góðu veðri á Íslandi."
RUSSIAN = "Широкая электрификация южных губерний даст мощный толчок подъёму хозяйства."
DOS = "Işığı söndürüp çıkan öğrenci şapkasını unuttuğunu düşündü."


def csv(path: Path, text: str, encoding: str) -> Path:
    return write(path, f"a;b\r\n1;{text}\r\n", encoding)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [(TURKISH, "cp1254"), (FRENCH, "cp1252"), (GERMAN, "cp1252"), (TURKISH, "utf-8")],
)
def test_the_letters_of_a_file_tell_its_encoding(tmp_path: Path, text: str, encoding: str) -> None:
    path = csv(tmp_path / "a.csv", text, encoding)

    format = detect(path)
    assert format.encoding == encoding
    assert any(note.startswith(f"encoding {encoding}") for note in format.notes)
    assert values_of(path) == [{"a": "1", "b": text}]


def test_turkish_late_in_a_large_file_counts(tmp_path: Path) -> None:
    path = csv(tmp_path / "a.csv", "plain\r\n2;" * 500_000 + TURKISH, "cp1254")

    assert detect(path).encoding == "cp1254"


def test_turkish_in_latin_5_is_read_as_windows_1254(tmp_path: Path) -> None:
    assert values_of(csv(tmp_path / "a.csv", TURKISH, "iso-8859-9")) == [{"a": "1", "b": TURKISH}]


def test_letters_that_are_the_same_in_both_are_read_the_same(tmp_path: Path) -> None:
    assert values_of(csv(tmp_path / "a.csv", "çözüm ölçü", "cp1254")) == [
        {"a": "1", "b": "çözüm ölçü"}
    ]


@pytest.mark.parametrize(
    ("text", "encoding"), [(RUSSIAN, "cp1251"), (DOS, "cp857"), (ICELANDIC, "cp1252")]
)
def test_what_cannot_be_told_is_asked_and_can_be_named(
    tmp_path: Path, text: str, encoding: str
) -> None:
    path = csv(tmp_path / "a.csv", text, encoding)

    with pytest.raises(UserError, match=r"a\.csv is not UTF-8.*jsonl\.encoding"):
        detect(path)
    assert values_of(path, encoding=encoding) == [{"a": "1", "b": text}]


def test_utf_16_without_a_mark_is_told_by_its_zeros(tmp_path: Path) -> None:
    for encoding in ("utf-16-le", "utf-16-be"):
        path = csv(tmp_path / f"{encoding}.csv", TURKISH, encoding)
        assert detect(path).encoding == encoding
        assert values_of(path) == [{"a": "1", "b": TURKISH}]


def test_a_damaged_line_in_utf_8_does_not_make_it_another_encoding(tmp_path: Path) -> None:
    content = f"a;b\r\n1;{'değil' * 100}\r\n2;".encode() + b"\xf0\xfe\r\n"

    assert detect(write(tmp_path / "a.csv", content)).encoding == "utf-8"


def test_a_sequence_that_two_chunks_share_is_whole(tmp_path: Path) -> None:
    for shift in range(3):
        content = f"a\n{'x' * ((1 << 20) - 6 - shift)}{'ş€😀' * 3}\n"
        format = detect(write(tmp_path / "a.csv", content))
        assert "9 sequences hold" in format.notes[1]
        assert "damaged" not in format.notes[1]


def test_an_unknown_encoding_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"jsonl\.encoding is 'cp12544'"):
        detect(csv(tmp_path / "a.csv", TURKISH, "cp1254"), encoding="cp12544")


@pytest.mark.parametrize("name", ["UTF8", "utf_8", "utf-8-sig", "UTF-16", "windows-1254"])
def test_an_encoding_may_be_named_in_any_way(tmp_path: Path, name: str) -> None:
    encoding = "utf-8-sig" if "8" in name else name
    row = f'{{"b": "{TURKISH}"}}\n'
    path = write(tmp_path / "a.jsonl", row, encoding)

    assert values_of(csv(tmp_path / "a.csv", TURKISH, encoding), encoding=name)[0]["b"] == TURKISH
    assert values_of(path, encoding=name) == [{"b": TURKISH}]
