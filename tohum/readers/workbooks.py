"""Reads workbooks of Excel and LibreOffice: the one visible sheet with cells.

The first row that is not empty, or the one below a title, has the names of the columns. A cell
becomes its text in a CSV export, but with numbers and dates in one notation, whatever the cell's
format and the program's language: 3, 0.25, TRUE, 2024-05-06 07:08:00. A workbook is compressed XML,
or records, with references to shared strings, and is parsed as a whole: memory grows with it, up to
the 1,048,576 rows of a sheet.
"""

import datetime
import itertools
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tohum.errors import UserError
from tohum.readers.delimiters import check_header, find_title
from tohum.readers.rows import BLOCK_BYTES, FileFormat, RowBlock
from tohum.readers.tables import TableRows, read_header

SUFFIXES = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
MAGIC = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # a zip of XML; a compound file, as in Excel 97
LOOKED_AT = 1000  # rows, for a header below a title
LARGEST_XML = 1 << 30  # bytes of a workbook's sheets, unpacked
EXACT = 2**53  # a cell's number holds integers up to here exactly


def describe_sheets(path: Path) -> str:
    """Returns a note that names the sheets.

    Raises:
        UserError: it is not a workbook, or it is locked with a password.
    """
    visible, hidden = _sheets(path)
    names = ", ".join(f"'{name}'" for name in visible)
    return f"sheets: {names}" + (f", and {len(hidden)} hidden" if hidden else "")


def read_workbook(path: Path, format: FileFormat) -> Iterator[RowBlock]:
    """Yields the rows of a workbook in blocks, numbered as in Excel.

    Raises:
        UserError: it can't be read, no sheet or several sheets have cells, or the first row is not
            a header.
    """
    rows = (
        (number, cells)
        for number, values in enumerate(_filled_sheet(path).iter_rows(), 1)
        if any(cells := [text_of(value) for value in values])
    )
    first = list(itertools.islice(rows, LOOKED_AT))
    if not first:
        return
    above = find_title([cells for _, cells in first])
    check_header([cell for cell in first[above][1] if cell], path)
    header = read_header(first[above][1], path)
    parsed: list[tuple[int, list[str] | str]] = []
    size = 0
    for number, cells in itertools.chain(first[above + 1 :], rows):
        parsed.append((number, cells))
        size += sum(map(len, cells))
        if size >= BLOCK_BYTES:
            yield TableRows(header, parsed[0][0], parsed)
            parsed, size = [], 0
    if parsed:
        yield TableRows(header, parsed[0][0], parsed)


def _filled_sheet(path: Path) -> Any:
    """Returns the one visible sheet with cells."""
    visible, _ = _sheets(path)
    book = _open(path)
    try:
        sheets = [(name, book.get_sheet_by_name(name)) for name in visible]
    except _errors() as error:
        raise UserError(f"{path} is damaged ({error}). Save it again in Excel.") from None
    filled = [(name, sheet) for name, sheet in sheets if sheet.start is not None]
    if not filled:
        raise UserError(f"{path} is empty: expected a header and rows in a visible sheet.")
    if len(filled) > 1:
        names = ", ".join(f"'{name}'" for name, _ in filled)
        raise UserError(
            f"{path} has several sheets with cells: {names}. Hide all but the one you want, "
            "or save each as its own file."
        )
    return filled[0][1]


def _sheets(path: Path) -> tuple[list[str], list[str]]:
    """Returns the names of the visible sheets, and those of the hidden ones."""
    from python_calamine import SheetTypeEnum, SheetVisibleEnum

    names: tuple[list[str], list[str]] = ([], [])
    for sheet in _open(path).sheets_metadata:
        if sheet.typ == SheetTypeEnum.WorkSheet:
            names[sheet.visible != SheetVisibleEnum.Visible].append(sheet.name)
    return names


def _open(path: Path) -> Any:
    from python_calamine import CalamineWorkbook, PasswordError

    _check_size(path)
    try:
        return CalamineWorkbook.from_path(path)
    except PasswordError:
        raise UserError(f"{path} is locked with a password. Save it without one.") from None
    except _errors() as error:
        raise UserError(
            f"{path} is not a readable workbook, or not a complete one ({error}). Open it in "
            "Excel and save it as .xlsx, or as 'CSV UTF-8'."
        ) from None


def _check_size(path: Path) -> None:
    """Refuses a workbook that unpacks to more than is parsed: all of it is held in memory.

    Raises:
        UserError: it does.
    """
    try:
        with zipfile.ZipFile(path) as book:
            size = sum(entry.file_size for entry in book.infolist())
    except (zipfile.BadZipFile, NotImplementedError, ValueError):
        return  # an old .xls, or damaged: its reader says so
    if size > LARGEST_XML:
        raise UserError(
            f"{path} unpacks to {size:,} bytes, more than the {LARGEST_XML:,} that are read of a "
            "workbook. Save it as CSV UTF-8."
        )


def _errors() -> tuple[type[Exception], ...]:
    from python_calamine import CalamineError

    return CalamineError, OSError


def text_of(value: Any) -> str:
    """Returns a cell as text: "" if it has none, as with an error such as #N/A."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float) and value.is_integer() and abs(value) <= EXACT:
        return str(int(value))
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ")
    return value.isoformat() if isinstance(value, datetime.date | datetime.time) else str(value)
