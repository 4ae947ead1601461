"""Finds a table's delimiter: the header suggests it, and the rows after it confirm it."""

import itertools
import re
from dataclasses import dataclass
from pathlib import Path

from tohum.errors import UserError
from tohum.fields.names import ROLES, fold
from tohum.readers.rows import DELIMITERS
from tohum.readers.table_lines import CUT_OFF, Lines, is_hint, parse_table
from tohum.readers.tables import SPACES

AGREEMENT = 0.5  # of the rows must be as wide as the header, or it is not a header
ROWS = 1000
LONGEST_NAME = 80  # characters; a sentence is not a column's name
VALUE = re.compile(r"[-+]?\d[\d.,:/ -]*|https?://.*|true|false", re.I | re.S)
SENTENCE = re.compile(r".*[?!]|.*\s\S+\.", re.S)


@dataclass
class Trial:
    """A table as parsed with one delimiter: header, rows, and the share as wide as the header."""

    delimiter: str
    header: list[str]
    rows: int
    agreement: float
    quoted: bool


def find_delimiter(lines: Lines, path: Path) -> tuple[str | None, bool, list[str]]:
    """Returns the delimiter (None for a single column), whether quotes have a meaning, and notes.

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
        return None, True, ["delimiter: none, a single column"]
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
    return best.delimiter, best.quoted, notes + _quotes(best)


def check_delimiter(lines: Lines, delimiter: str, path: Path) -> tuple[bool, list[str]]:
    """Returns whether quotes have a meaning in a table whose delimiter was named, and notes.

    The first line is read as the header, whatever it looks like.

    Raises:
        UserError: it is not one character, or another delimiter separates the header instead.
    """
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise UserError(
            f"jsonl.delimiter is {delimiter!r}, expected one character, not a quote or a line end."
        )
    trial = _try(lines, delimiter)
    if len(trial.header) <= 1:
        others = [_try(lines, other) for other in DELIMITERS if other != delimiter]
        fitting = [each for each in others if len(each.header) > 1 and each.agreement == 1]
        if fitting and fitting[0].rows:
            raise UserError(
                f"{path}: jsonl.delimiter is {delimiter!r}, which its header does not contain; "
                f"{_named(fitting[0].delimiter)} separates all of its rows. Name that one, or none "
                "(null) to have it found for each file."
            )
    return trial.quoted, [f"delimiter {delimiter!r}: named", *_quotes(trial)]


def _quotes(trial: Trial) -> list[str]:
    if trial.quoted:
        return []
    return ["quotes are letters: as quotes around a cell they would break rows"]


def _named(delimiter: str) -> str:
    return f"{delimiter!r} ({DELIMITERS.get(delimiter, 'sep=')})"


def _try(lines: Lines, delimiter: str) -> Trial:
    """Parses the sample; in a table with tabs, quotes may be letters if that fits better."""
    trial = _measure(lines, delimiter, True)
    if delimiter == "\t" and trial.agreement < 1:
        plain = _measure(lines, delimiter, False)
        return plain if plain.agreement == 1 else trial
    return trial


def _measure(lines: Lines, delimiter: str, quoted: bool) -> Trial:
    parsed = (cells for _, cells, _ in parse_table([lines], delimiter, quoted))
    rows = list(itertools.islice(parsed, ROWS + 1))
    cut_off = f"not CSV: {CUT_OFF}"
    if cut_off in rows[1:]:  # the sample may end inside a row, or a quote is never closed
        del rows[rows.index(cut_off) :]
    header = _width(rows[0]) if rows and isinstance(rows[0], list) else []
    same = sum(isinstance(row, list) and len(_width(row)) <= len(header) for row in rows[1:])
    narrow = sum(isinstance(row, list) and len(row) < len(header) for row in rows[1:])
    count = max(0, len(rows) - 1)
    return Trial(delimiter, header, count, (same - narrow) / count if count else 1.0, quoted)


def _width(cells: list[str]) -> list[str]:
    """Returns the cells without the empty ones that Excel adds at the end."""
    end = len(cells)
    while end and not cells[end - 1].strip(SPACES):
        end -= 1
    return cells[:end]


def check_header(header: list[str], path: Path) -> None:
    """Refuses a first row that is data: the file has no header, so its columns have no names.

    Raises:
        UserError: it looks like data.
    """
    if not header:
        raise UserError(f"{path} is empty: expected a header and rows.")
    names = [cell.strip(SPACES) for cell in header]
    if any(fold(name) in ROLES for name in names):
        return
    values = [name for name in names if len(name) > LONGEST_NAME or VALUE.fullmatch(name)]
    sentences = [name for name in names if SENTENCE.fullmatch(name)]
    if values or 2 * len(sentences) >= len(names):
        shown = (values or sentences)[0]
        shown = shown if len(shown) <= 40 else shown[:40] + "..."
        raise UserError(
            f"{path} has no header: its first row has '{shown}', which is not the name of a "
            "column. Add a first line with names, such as soru;cevap; or, if it is a name, say "
            "what separates the columns: jsonl.delimiter."
        )
