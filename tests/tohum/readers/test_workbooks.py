"""Workbooks, as Excel and LibreOffice save them."""

import datetime
import zipfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from tests.tohum.readers.reading import blocks_of, broken_of, rows_of, values_of, write
from tohum.errors import UserError
from tohum.readers import Broken, detect

TURKISH = [["Soru", "Cevap"], ["İğne nerede?", 'Şurada,\nıslak; "çayır"da'], ["Kaç?", "Üç"]]
ODS = """<?xml version="1.0" encoding="UTF-8"?><office:document-content
xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"
xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"><office:body><office:spreadsheet>
<table:table table:name="Sayfa1">{rows}</table:table></office:spreadsheet></office:body>
</office:document-content>"""


def save(path: Path, sheets: Mapping[str, Iterable[Iterable[Any]]], hidden: str = "") -> Path:
    with xlsxwriter.Workbook(path) as book:
        date = book.add_format({"num_format": "dd.mm.yyyy"})
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            for number, row in enumerate(rows):
                for column, value in enumerate(row):
                    if isinstance(value, datetime.date | datetime.time):
                        sheet.write_datetime(number, column, value, date)
                    elif value is not None:
                        sheet.write(number, column, value)
            if name == hidden:
                sheet.hide()
    return path


def save_ods(path: Path, rows: list[list[str]]) -> Path:
    lines = "".join(
        "<table:table-row>"
        + "".join(
            '<table:table-cell office:value-type="string">'
            + "".join(f"<text:p>{line}</text:p>" for line in cell.split("\n"))
            + "</table:table-cell>"
            for cell in row
        )
        + "</table:table-row>"
        for row in rows
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("META-INF/manifest.xml", "<manifest/>")
        archive.writestr("content.xml", ODS.format(rows=lines))
    return path


def test_turkish_rows_come_as_they_are(tmp_path: Path) -> None:
    expected = [dict(zip(TURKISH[0], row, strict=True)) for row in TURKISH[1:]]

    assert values_of(save(tmp_path / "a.xlsx", {"Sayfa1": TURKISH})) == expected
    assert values_of(save_ods(tmp_path / "a.ods", TURKISH)) == expected
    assert detect(tmp_path / "a.xlsx").notes == ["format excel: by its name", "sheets: 'Sayfa1'"]


def test_values_are_the_text_that_a_csv_would_have(tmp_path: Path) -> None:
    day = datetime.datetime(2024, 5, 6, 7, 8)
    row = [3, 2.5, -1e15, True, day, "=1/4", "007", None]
    names = list("abcdefgh")
    [values] = values_of(save(tmp_path / "a.xlsx", {"S": [names, row]}))

    assert list(values.values()) == [
        *("3", "2.5", "-1000000000000000", "TRUE", "2024-05-06 07:08:00", "0", "007", "")
    ]


def test_a_row_has_the_number_that_excel_shows(tmp_path: Path) -> None:
    rows = [[], ["", "soru", "cevap"], [], ["", "a", "b"], [], ["", "c", "d"]]
    path = save(tmp_path / "a.xlsx", {"S": rows})

    assert [row.number for row in rows_of(path)] == [4, 6]
    assert values_of(path)[0] == {"soru": "a", "cevap": "b"}


def test_a_row_that_is_wider_than_the_header_is_broken(tmp_path: Path) -> None:
    path = save(tmp_path / "a.xlsx", {"S": [["soru", "cevap"], ["a", "b"], ["c", "d", "e"]]})

    assert broken_of(path) == [Broken(3, "3 cells, the header has 2")]


def test_empty_and_hidden_sheets_are_passed_over(tmp_path: Path) -> None:
    sheets = {"Boş": [], "Veri": TURKISH, "Gizli": [["x"]]}
    path = save(tmp_path / "a.xlsx", sheets, hidden="Gizli")

    assert len(values_of(path)) == 2
    assert detect(path).notes[1] == "sheets: 'Boş', 'Veri', and 1 hidden"


def test_a_large_sheet_is_cut_into_blocks(tmp_path: Path) -> None:
    rows = [["kod"], *([f"{n:05d}" + "x" * 30_000] for n in range(600))]
    blocks = blocks_of(save(tmp_path / "a.xlsx", {"S": rows}))

    assert len(blocks) == 3
    assert [row.number for block in blocks for row in block.rows()] == list(range(2, 602))


@pytest.mark.parametrize(
    ("sheets", "message"),
    [
        ({"A": TURKISH, "B": TURKISH}, r"several sheets with cells: 'A', 'B'\. Hide all but"),
        ({"A": []}, "is empty"),
        ({"A": [["Nasılsın, iyi misin?", "İyiyim, sen?"], ["a", "b"]]}, "has no header"),
    ],
)
def test_what_is_not_clear_is_refused(tmp_path: Path, sheets: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        rows_of(save(tmp_path / "a.xlsx", sheets))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.xlsx", b"PK\x03\x04junk", r"a\.xlsx is not a readable workbook"),
        ("a.xls", b"soru\tcevap\n", r"not have the content of a workbook.*name text \.csv"),
        (
            "a.xls",
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
            "not a readable workbook",
        ),
    ],
)
def test_what_is_no_workbook_says_what_to_do(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        rows_of(write(tmp_path / name, content))


@pytest.mark.parametrize("signature", [b"PK\x01\x02", b"PK\x05\x06"])
@pytest.mark.parametrize("at", range(0, 46, 3))
def test_a_damaged_directory_is_an_error_or_no_harm(
    tmp_path: Path, signature: bytes, at: int
) -> None:
    content = bytearray(save(tmp_path / "good.xlsx", {"Sayfa1": TURKISH}).read_bytes())
    content[min(content.index(signature) + at, len(content) - 1)] ^= 0xFF
    path = write(tmp_path / "a.xlsx", bytes(content))
    with suppress(UserError):
        rows_of(path)


@pytest.mark.parametrize("title", [["Müşteri soruları"], ["Rapor", "2024"], ["Rapor", None, "x"]])
def test_a_title_above_the_header_is_no_header(tmp_path: Path, title: list[Any]) -> None:
    path = save(tmp_path / "a.xlsx", {"Sayfa1": [title, [], *TURKISH]})

    assert values_of(path) == [dict(zip(TURKISH[0], row, strict=True)) for row in TURKISH[1:]]


def test_a_workbook_that_unpacks_to_more_than_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tohum.readers.workbooks.LARGEST_XML", 10_000)
    path = save(tmp_path / "a.xlsx", {"Sayfa1": [*TURKISH, *[["a" * 99, "b" * 99]] * 9999]})

    with pytest.raises(UserError, match=r"a\.xlsx unpacks to .* Save it as CSV"):
        detect(path)
