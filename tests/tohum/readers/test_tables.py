import csv
import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tohum.readers.reading import blocks_of, broken_of, found, rows_of, values_of, write
from tohum.errors import UserError
from tohum.readers import Broken, Row, detect
from tohum.readers.table_feed import Lines
from tohum.readers.table_lines import parse_table

QUESTIONS = [
    {"Soru": "Işık hızı nedir?", "Cevap": 'Saniyede\n299.792 km; "boşlukta"'},
    {"Soru": "Şair kimdir; ozan mı?", "Cevap": "Şiir yazan kişi, örneğin İsmet"},
]
CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\r\x00"), max_size=8)


def table(rows: list[dict[str, str]], **dialect: Any) -> str:
    file = io.StringIO()
    writer = csv.DictWriter(file, list(rows[0]), **dialect)
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1254"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_every_dialect_gives_the_same_rows(
    tmp_path: Path, delimiter: str, encoding: str, quoting: int
) -> None:
    text = table(QUESTIONS, delimiter=delimiter, quoting=quoting)
    path = write(tmp_path / "a.csv", text, encoding)

    assert values_of(path) == QUESTIONS
    assert found(path).delimiter == delimiter
    packed = write(tmp_path / "a.tsv.gz", gzip.compress(path.read_bytes()))
    assert values_of(packed) == QUESTIONS


@given(st.lists(st.tuples(CELLS, CELLS, CELLS).filter(any), min_size=1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_what_the_csv_module_writes_is_read_back(
    tmp_path: Path, cells: list[tuple[str, ...]]
) -> None:
    rows = [dict(zip("abc", row, strict=True)) for row in cells]
    path = write(tmp_path / "a.csv", table(rows, quoting=csv.QUOTE_ALL))

    assert values_of(path, delimiter=",", encoding="utf-8") == rows


def test_excel_as_it_exports_turkish_text(tmp_path: Path) -> None:
    """A sep= line, a non-breaking space in the header, cells and rows that are empty at the end."""
    text = (
        "sep=;\r\n"
        "\u00a0Soru\u00a0;Cevap;;\r\n"
        'Çay mı?;"İki satır:\nikincisi ""tırnaklı""";;\r\n'
        ";;;\r\n"
        "Kahve mi?;Değil;;;;\r\n"
    )
    path = write(tmp_path / "a.csv", text, "cp1254")

    assert found(path).encoding == "cp1254"
    assert rows_of(path) == [
        Row(3, {"Soru": "Çay mı?", "Cevap": 'İki satır:\nikincisi "tırnaklı"'}),
        Row(6, {"Soru": "Kahve mi?", "Cevap": "Değil"}),
    ]


def test_unicode_text_of_excel_is_utf_16_with_tabs(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "soru\tcevap\r\nağaç\tyeşil\r\n", "utf-16")

    format = found(path)
    assert (format.encoding, format.delimiter) == ("utf-16", "\t")
    assert values_of(path) == [{"soru": "ağaç", "cevap": "yeşil"}]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("one", "1 cells, the header has 2"),
        ("one,two,three", "3 cells, the header has 2"),
        ('one,"two" more', "not CSV"),
        ('"one,two', "not CSV"),
        ('one,"', "not CSV"),
    ],
)
@pytest.mark.parametrize("place", [0, 500, 998])
def test_a_broken_row_is_told_by_its_line_and_no_other_row_is_lost(
    tmp_path: Path, row: str, reason: str, place: int
) -> None:
    lines = ["a,b", *(f"{n},x" for n in range(999))]
    lines[place + 1] = row
    rows = rows_of(write(tmp_path / "a.csv", "\r\n".join(lines)))

    assert [row.number for row in rows] == list(range(2, 1001))
    broken = [row for row in rows if isinstance(row, Broken)]
    assert [row.number for row in broken] == [place + 2]
    assert reason in broken[0].reason


def test_a_quote_that_never_ends_costs_its_own_row_only_in_a_file_of_many_chunks(
    tmp_path: Path,
) -> None:
    lines = ["a,b", *(f"{n},{'x' * 100}" for n in range(50_000))]
    lines[100] = '"never ends,x'
    path = write(tmp_path / "a.csv", "\n".join(lines))

    assert [row.number for row in broken_of(path)] == [101]
    assert len(rows_of(path)) == 50_000


class CountedLines(Lines):
    """Lines that count how often one of them is asked for."""

    asked = 0

    def __iter__(self) -> Iterator[str]:
        for line in super().__iter__():
            CountedLines.asked += 1
            yield line

    def __getitem__(self, place: Any) -> Any:
        found = super().__getitem__(place)
        CountedLines.asked += 1 if isinstance(found, str) else len(found)
        return found


@pytest.mark.parametrize(
    "line",
    [
        "\0",
        '\ufeff"x',
        '\ud800;"',
        '"\\"";',
        '"q"z;1',
        'x";"',
        '"never ends',
        '""" odd',
        '"q"z;1\n"',
        'a;b\n"x',
        '"x;\ny;\nz;"w',
    ],
)
def test_broken_rows_cost_time_in_proportion_to_their_number(line: str) -> None:
    asked = []
    for count in (500, 1000):
        CountedLines.asked = 0
        lines = f"{line}\n".splitlines(keepends=True) * count
        chunks = [CountedLines(lines[start : start + 64]) for start in range(0, len(lines), 64)]
        list(parse_table(chunks, ";"))
        asked.append(CountedLines.asked / len(lines))
    assert max(asked) <= 5, "of which two are to add up their lengths"


def rows_one_by_one(lines: list[str], quoting: Any) -> list[tuple[int, list[str] | None]]:
    """Rows as the parser has them, read anew from the line after the first one of a broken row."""
    found: list[tuple[int, list[str] | None]] = []
    number = 0
    while number < len(lines):
        reader = csv.reader(lines[number:], delimiter=";", quoting=quoting, strict=True)
        try:
            found.append((number + 1, next(reader)))
            number += reader.line_num
        except csv.Error:
            found.append((number + 1, None))
            number += 1
    return [(number, cells) for number, cells in found if cells is None or any(cells)]


PIECES = st.lists(st.sampled_from(['"', '""', ";", "a", "\r"]), max_size=6).map("".join)


@given(st.lists(PIECES.map(lambda text: text.rstrip("\r") + "\n"), max_size=12), st.integers(1, 4))
@settings(derandomize=True, deadline=None)
def test_what_follows_a_broken_row_is_what_the_parser_reads_from_there_on(
    lines: list[str], size: int
) -> None:
    for quoted in (True, False):
        chunks = [Lines(lines[start : start + size]) for start in range(0, len(lines), size)]
        rows = [
            (number, None if isinstance(cells, str) else cells)
            for number, cells, _ in parse_table(chunks, ";", quoted)
        ]
        assert rows == rows_one_by_one(lines, csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE)


@pytest.mark.parametrize("broken", ['"never ends\n', 'x;"never\n', 'x";"\n'])
@pytest.mark.parametrize("size", [1, 7, 50])
def test_a_row_longer_than_the_longest_is_broken_and_those_after_it_are_read(
    broken: str, size: int
) -> None:
    before = csv.field_size_limit()
    lines = [broken, *(f"{number};two;\n" for number in range(400))]
    chunks = [Lines(lines[start : start + size]) for start in range(0, len(lines), size)]
    try:
        rows = list(parse_table(chunks, ";", largest=1000))
    finally:
        csv.field_size_limit(before)
    assert [number for number, _, _ in rows] == list(range(1, 402))
    assert [number for number, cells, _ in rows if isinstance(cells, str)] == [1]


def test_bytes_that_do_not_decode_break_their_row_only(tmp_path: Path) -> None:
    lines = ["soru,cevap", *("değil,çünkü" for _ in range(50))]
    content = [line.encode() for line in lines]
    content[20] = b"de\xf0il,x"
    path = write(tmp_path / "a.csv", b"\n".join(content))

    assert found(path).encoding == "utf-8"
    assert broken_of(path) == [Broken(21, "it has bytes that do not decode")]
    assert len(rows_of(path)) == 50


def test_blocks_follow_each_other_without_a_gap(tmp_path: Path) -> None:
    rows = [{"n": str(n), "text": "two\nlines " * 30} for n in range(60_000)]
    blocks = blocks_of(write(tmp_path / "a.csv", table(rows)))

    assert len(blocks) > 1
    read = [row for block in blocks for row in block.rows()]
    assert [row.values for row in read if isinstance(row, Row)] == rows
    assert [row.number for row in read[:2]] == [2, 33]
    for block in blocks:
        assert next(iter(block.rows())).number == block.number


def test_a_cell_of_100_mb_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", b'a,b\n1,"' + (b"x" * 999 + b"\n") * 100_000 + b'"\n2,y\n')

    rows = rows_of(path, encoding="utf-8", delimiter=",")
    assert [len(row.values["b"]) for row in rows if isinstance(row, Row)] == [100_000_000, 1]


def test_a_single_column_keeps_its_commas(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text\nHello, world\nsecond; line\n")

    assert values_of(path) == [{"text": "Hello, world"}, {"text": "second; line"}]


def test_quotes_in_tabbed_text_are_letters_where_they_would_break_rows(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", 'a\tb\n"x" is y\tz\n5" disk\t"\n')

    assert values_of(path) == [{"a": '"x" is y', "b": "z"}, {"a": '5" disk', "b": '"'}]


def test_a_named_delimiter_leaves_open_whether_quotes_are_letters(tmp_path: Path) -> None:
    letters = write(tmp_path / "letters.tsv", 'a\tb\n"x" is y\tz\n5" disk\t"\n')
    around = write(tmp_path / "around.tsv", 'a\tb\n"x, y"\t"z\tz"\n')

    for path in (letters, around):
        assert detect(path, delimiter="\t").quoted is detect(path).quoted
        assert values_of(path, delimiter="\t") == values_of(path)
    assert values_of(letters, delimiter="\t")[0] == {"a": '"x" is y', "b": "z"}


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "soru,cevap\nx;y,z\n"])
def test_a_named_delimiter_that_the_header_has_none_of_is_told(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "a.csv", text)

    with pytest.raises(
        UserError, match=r"a\.csv: jsonl\.delimiter is ';'.*',' \(comma\) separates all"
    ):
        detect(path, delimiter=";")


def test_a_single_column_is_read_with_any_named_delimiter(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text\nHello, world\nsecond\n")

    assert values_of(path, delimiter=";") == [{"text": "Hello, world"}, {"text": "second"}]


@pytest.mark.parametrize("delimiter", ["", ";;", '"', "\n"])
def test_a_delimiter_is_one_character_and_not_a_quote(tmp_path: Path, delimiter: str) -> None:
    with pytest.raises(UserError, match=r"jsonl\.delimiter is .*expected one character"):
        detect(write(tmp_path / "a.csv", "a;b\n1;2\n"), delimiter=delimiter)


def test_the_delimiter_is_found_in_the_encoding_that_is_named(tmp_path: Path) -> None:
    for encoding in ("cp857", "utf-16-be", "utf-32", "cp1254"):
        path = write(tmp_path / "a.csv", "soru;cevap\nışık;ağaç, şey\n", encoding)

        assert detect(path, encoding=encoding).delimiter == ";"
        assert values_of(path, encoding=encoding) == [{"soru": "ışık", "cevap": "ağaç, şey"}]


def test_a_column_without_a_name_and_one_that_stands_twice_are_kept(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", ",a,a\n0,x,y\n")

    assert values_of(path) == [{"column 1": "0", "a": "x", "a (3)": "y"}]


@pytest.mark.parametrize("header", ["Kim geldi?,Ali", "1,Ali", "2024-01-05;x", "http://a.b/c,x"])
def test_a_missing_header_is_told(tmp_path: Path, header: str) -> None:
    with pytest.raises(UserError, match=r"a\.csv has no header: its first row has"):
        detect(write(tmp_path / "a.csv", f"{header}\nb,c\n"))


@pytest.mark.parametrize("header", ["soru,cevap,2024", "soru,cevap,evet mi?", "ad,yaş,evli mi?"])
def test_a_header_with_unusual_names_is_one(tmp_path: Path, header: str) -> None:
    path = write(tmp_path / "a.csv", f"{header}\na,b,c\n")

    assert values_of(path) == [dict(zip(header.split(","), "abc", strict=True))]


def test_a_header_that_looks_like_data_can_be_forced(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "2023,2024\nx,y\n")

    assert values_of(path, delimiter=",") == [{"2023": "x", "2024": "y"}]


def test_two_delimiters_that_fit_equally_are_a_question(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "a;b,c\n1;2,3\n")

    with pytest.raises(UserError, match=r"jsonl\.delimiter"):
        detect(path)
    assert values_of(path, delimiter=";") == [{"a": "1", "b,c": "2,3"}]


ESCAPED = [
    {"a": "1", "text": 'He said "hi", twice'},
    {"a": "2", "text": 'a "b"\nc'},
    {"a": "3", "text": '"'},
    {"a": "4", "text": "ends in a backslash\\"},
]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("suffix", ["csv", "csv.gz"])
def test_quotes_escaped_by_a_backslash_are_read(
    tmp_path: Path, delimiter: str, suffix: str
) -> None:
    dialect = {"escapechar": "\\", "doublequote": False, "quoting": csv.QUOTE_ALL}
    content = table(ESCAPED * 9, delimiter=delimiter, **dialect).encode()
    packed = gzip.compress(content) if suffix.endswith("gz") else content
    path = write(tmp_path / f"a.{suffix}", packed)

    assert values_of(path) == ESCAPED * 9
    assert values_of(path, delimiter=delimiter) == ESCAPED * 9
    assert found(path).facts()["backslashes"] == "before quotes and backslashes"


def test_a_backslash_that_escapes_quotes_only_is_a_letter_elsewhere(tmp_path: Path) -> None:
    text = 'a,b\n1,"print(\\"x\\\\n\\", \\"C:\\new\\")"\n2,"x\\\\"\n'
    path = write(tmp_path / "a.csv", text)

    assert values_of(path) == [
        {"a": "1", "b": 'print("x\\\\n", "C:\\new")'},
        {"a": "2", "b": "x\\"},
    ]


def test_backslashes_before_doubled_quotes_are_letters(tmp_path: Path) -> None:
    rows = [{"a": "1", "b": 'print(\\"x\\")'}, {"a": "2", "b": 'C:\\"dir\\"'}]
    path = write(tmp_path / "a.csv", table(rows))

    assert found(path).escapes == ""
    assert values_of(path) == rows


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1254"])
@pytest.mark.parametrize("suffix", ["csv", "csv.gz"])
def test_rows_that_end_in_a_carriage_return_are_read(
    tmp_path: Path, encoding: str, suffix: str
) -> None:
    """As Excel for Mac wrote them: with line feeds in the cells."""
    content = table(QUESTIONS, delimiter=";", lineterminator="\r").encode(encoding)
    packed = gzip.compress(content) if suffix.endswith("gz") else content
    path = write(tmp_path / f"a.{suffix}", packed)

    assert values_of(path) == QUESTIONS
    assert found(path).facts()["line ends"] == "carriage returns"


@pytest.mark.parametrize("text", ["a,b\r\n1,2\r\n", "a,b\r\r\n1,2\r\r\n", '"a\r",b\n1,2\n'])
def test_other_line_ends_are_not_carriage_returns(tmp_path: Path, text: str) -> None:
    assert not found(write(tmp_path / "a.csv", text)).carriage_returns


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_the_header_of_a_file_that_was_appended_is_not_a_row(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mark: str, quoting: int
) -> None:
    one = table(QUESTIONS, delimiter=";", quoting=quoting)
    path = write(tmp_path / "a.csv", mark + one + mark + one)

    assert values_of(path) == QUESTIONS * 2
    assert "the header is repeated on line 5" in caplog.text


def test_an_appended_file_with_its_columns_in_another_order_is_read_by_its_own_header(
    tmp_path: Path,
) -> None:
    path = write(tmp_path / "a.csv", "soru,cevap\na,b\ncevap,soru\nb,a\nsoru,x\n")

    assert values_of(path) == [
        {"soru": "a", "cevap": "b"},
        {"cevap": "b", "soru": "a"},
        {"cevap": "soru", "soru": "x"},
    ]


@pytest.mark.parametrize(
    "title",
    [
        "Müşteri soruları\n",
        "Müşteri soruları;;\n\n",
        "Müşteri soruları 2024\nHazırlayan: Ayşe\n\n",
        '"Sorular\nve cevaplar";;\n;;\n',
        "Rapor;2024;\n",
    ],
)
def test_titles_above_the_header_are_no_header(tmp_path: Path, title: str) -> None:
    path = write(tmp_path / "a.csv", title + "Soru;Cevap;no\nÇay mı?;Evet;1\nKahve?;Yok;2\n")

    assert values_of(path) == [
        {"Soru": "Çay mı?", "Cevap": "Evet", "no": "1"},
        {"Soru": "Kahve?", "Cevap": "Yok", "no": "2"},
    ]
    assert any("after a title" in note for note in found(path).notes)


def test_a_title_above_unknown_names_is_found_where_all_rows_agree(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "Liste\nad,renk,tür\n" + "elma,yeşil,meyve\n" * 5)

    assert values_of(path) == [{"ad": "elma", "renk": "yeşil", "tür": "meyve"}] * 5


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("yorum\niyi, güzel\nkötü, berbat\nsoru, cevap\n", {"yorum": "iyi, güzel"}),
        ("tür,ad\ncode,abc\nx,y\n", {"tür": "code", "ad": "abc"}),
        ("text\nprompt,response\n", {"text": "prompt,response"}),
    ],
)
def test_a_header_of_names_is_no_title(tmp_path: Path, text: str, first: dict[str, str]) -> None:
    assert values_of(write(tmp_path / "a.csv", text))[0] == first
