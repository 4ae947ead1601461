"""Finds a table's delimiter: the header suggests it, and the rows after it confirm it."""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tohum.errors import UserError
from tohum.fields.names import ROLES, fold
from tohum.readers.escapes import double_quotes, find_escapes
from tohum.readers.rows import DELIMITERS, EmptyFileError
from tohum.readers.table_feed import Lines
from tohum.readers.table_lines import CUT_OFF, is_hint, parse_table
from tohum.readers.tables import SPACES

AGREEMENT = 0.5  # of the rows must be as wide as the header, or it is not a header
ROWS = 1000
MOST_TITLES = 10  # rows that are looked at for a header below a title
LONGEST_NAME = 80  # characters; a sentence is not a column's name
VALUE = re.compile(r"[-+]?\d[\d.,:/ -]*|https?://.*|true|false", re.I | re.S)
SENTENCE = re.compile(r".*[?!]|.*\s\S+\.", re.S)


@dataclass
class Trial:
    """A table as parsed with one delimiter: its header, the rows after it, and the share of them
    that is as wide. `title` is what is in the lines before the header.
    """

    delimiter: str | None
    header: list[str]
    rows: int
    agreement: float
    quoted: bool = True
    escapes: str = ""
    header_line: int = 1
    title: str = ""

    def notes(self) -> list[str]:
        """Returns what is unusual about the table."""
        notes = []
        if not self.quoted:
            notes.append("quotes are letters: as quotes around a cell they would break rows")
        if self.escapes:
            notes.append(f"backslashes escape {self.escapes}")
        if self.title:
            notes.append(f"header on line {self.header_line}, after a title: '{self.title[:80]}'")
        return notes


def find_delimiter(lines: Lines, path: Path) -> tuple[Trial, list[str]]:
    """Returns the table with the delimiter that fits (None for a single column), and notes.

    Args:
        lines: the first lines of the file, each with its end.

    Raises:
        UserError: several delimiters fit, none does, or there is no header.
    """
    hint = lines[0][4] if lines and is_hint(lines[0]) else None
    trials = [_try(lines, delimiter) for delimiter in ([hint] if hint else DELIMITERS)]
    wide = [trial for trial in trials if len(trial.header) > 1]
    if not wide:
        check_header(trials[0].header, path)
        single = Trial(None, trials[0].header, trials[0].rows, 1.0)
        return single, ["delimiter: none, a single column"]
    best = max(wide, key=lambda trial: trial.agreement)
    rivals = [_named(trial.delimiter) for trial in wide if trial.agreement == best.agreement]
    if len(rivals) > 1:
        raise UserError(
            f"{path}: {' and '.join(rivals)} separate its header and its rows equally well. Name "
            f"one: jsonl.delimiter={wide[0].delimiter!r}."
        )
    if best.agreement < AGREEMENT and best.rows > 1:
        raise UserError(
            f"{path}: with {_named(best.delimiter)} only {best.agreement:.0%} of its first "
            f"{best.rows} rows have the {len(best.header)} cells of its header. Is the first line "
            "a header, with a name for each column? If it is, name the delimiter: jsonl.delimiter."
        )
    check_header(best.header, path)
    reason = "its sep= line" if hint else "its header"
    notes = [
        f"delimiter {_named(best.delimiter)}: by {reason}; {best.agreement:.1%} of its first "
        f"{best.rows} rows have its {len(best.header)} cells"
    ]
    return best, notes + best.notes()


def check_delimiter(lines: Lines, delimiter: str, path: Path) -> tuple[Trial, list[str]]:
    """Returns the table with a delimiter that was named, and notes.

    The first line is read as the header, whatever it looks like.

    Raises:
        UserError: it is not one character, or another delimiter separates the header instead.
    """
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise UserError(
            f"jsonl.delimiter is {delimiter!r}, expected one character, not a quote or a line end."
        )
    trial = _try(lines, delimiter, titled=False)
    if len(trial.header) <= 1:
        others = [_try(lines, other) for other in DELIMITERS if other != delimiter]
        fitting = [each for each in others if len(each.header) > 1 and each.agreement == 1]
        if fitting and fitting[0].rows:
            raise UserError(
                f"{path}: jsonl.delimiter is {delimiter!r}, which its header does not contain; "
                f"{_named(fitting[0].delimiter)} separates all of its rows. Name that one, or none "
                "(null) to have it found for each file."
            )
    return trial, [f"delimiter {delimiter!r}: named", *trial.notes()]


def _named(delimiter: str | None) -> str:
    if delimiter is None:
        return "nothing"
    return f"{delimiter!r} ({DELIMITERS.get(delimiter, 'sep=')})"


def _try(lines: Lines, delimiter: str, titled: bool = True) -> Trial:
    """Parses the sample; backslashes may be escapes, and in a table with tabs quotes may be
    letters, if that fits better.
    """
    trial = _measure(lines, delimiter, titled)
    if trial.agreement == 1:
        return trial
    if escapes := find_escapes("".join(lines)):
        escaped = Lines(double_quotes(line, escapes) for line in lines)
        other = _measure(escaped, delimiter, titled)
        if other.agreement > trial.agreement:
            other.escapes = escapes
            trial = other
    if delimiter == "\t" and trial.agreement < 1:
        plain = _measure(lines, delimiter, titled, quoted=False)
        return plain if plain.agreement == 1 else trial
    return trial


def _measure(lines: Lines, delimiter: str, titled: bool, quoted: bool = True) -> Trial:
    parsed = parse_table([lines], delimiter, quoted)
    numbered = [(number, cells) for number, cells, _ in itertools.islice(parsed, ROWS + 1)]
    rows = [cells for _, cells in numbered]
    cut_off = f"not CSV: {CUT_OFF}"
    if cut_off in rows[1:]:  # the sample may end inside a row, or a quote is never closed
        del rows[rows.index(cut_off) :]
    above = find_title(rows) if titled else 0
    title = " ".join(cell for cells in rows[:above] for cell in cells if cell.strip(SPACES))
    rows = rows[above:]
    header = _width(rows[0]) if rows and isinstance(rows[0], list) else []
    same = sum(isinstance(row, list) and len(_width(row)) <= len(header) for row in rows[1:])
    narrow = sum(isinstance(row, list) and len(row) < len(header) for row in rows[1:])
    count = max(0, len(rows) - 1)
    share = (same - narrow) / count if count else 1.0
    line = numbered[above][0] if above else 1
    return Trial(delimiter, header, count, share, quoted, header_line=line, title=title)


def find_title(rows: Sequence[list[str] | str]) -> int:
    """Returns how many rows are above the header: a title, or nothing that could be a header.

    There is a title only if the first row has no conventional name, and a row soon after it has
    nothing but names, of which two are conventional; or one is, or three columns agree in all rows
    from there on, and the rows above have a single cell.
    """
    first = rows[0] if rows else ""
    if isinstance(first, str) or any(fold(cell) in ROLES for cell in first):
        return 0
    for place, row in enumerate(rows[1:MOST_TITLES], 1):
        names, below = _width(row) if isinstance(row, list) else [], rows[place + 1 :]
        if len(names) < 2 or not below or any(map(_is_value, names)):
            continue
        known = sum(fold(name) in ROLES for name in names)
        single = all(sum(map(bool, above)) == 1 for above in rows[:place])
        wide = len(names) > 2 and len(below) > 2 and len(set(names) - {""}) == len(names)
        agree = wide and all(len(other) == len(row) for other in below)
        if known > 1 or (single and (known or agree)):
            return place
    return 0


def _is_value(cell: str) -> bool:
    return len(cell) > LONGEST_NAME or VALUE.fullmatch(cell) is not None


def _width(cells: list[str]) -> list[str]:
    """Returns the cells without the empty ones that Excel adds at the end."""
    end = len(cells)
    while end and not cells[end - 1].strip(SPACES):
        end -= 1
    return cells[:end]


def check_header(header: list[str], path: Path) -> None:
    """Refuses a first row that is data: the file has no header, so its columns have no names.

    Raises:
        EmptyFileError: there is none.
        UserError: it looks like data.
    """
    if not header:
        raise EmptyFileError(f"{path} is empty: expected a header and rows.")
    names = [cell.strip(SPACES) for cell in header]
    if any(fold(name) in ROLES for name in names):
        return
    values = [name for name in names if _is_value(name)]
    sentences = [name for name in names if SENTENCE.fullmatch(name)]
    if values or 2 * len(sentences) >= len(names):
        shown = (values or sentences)[0]
        shown = shown if len(shown) <= 40 else shown[:40] + "..."
        raise UserError(
            f"{path} has no header: its first row has '{shown}', which is not the name of a "
            "column. Add a first line with names, such as soru;cevap; or, if it is a name, say "
            "what separates the columns: jsonl.delimiter."
        )
