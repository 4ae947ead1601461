"""Detects how to read a file: its format, compression, encoding and delimiter."""

import codecs
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

from tohum.errors import UserError
from tohum.readers import compression as compressions
from tohum.readers.compression import find_compression, read_chunks
from tohum.readers.delimiters import check_delimiter, find_delimiter
from tohum.readers.encodings import find_encoding, find_mark
from tohum.readers.lines import WIDE, transcode
from tohum.readers.rows import FileFormat
from tohum.readers.table_lines import Lines, decode_chunks
from tohum.readers.workbooks import MAGIC as WORKBOOK_MAGIC
from tohum.readers.workbooks import SUFFIXES as WORKBOOKS
from tohum.readers.workbooks import describe_sheets

FORMATS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".parquet": "parquet",
    **dict.fromkeys(WORKBOOKS, "excel"),
}
ADVICE = {
    ".arrow": "save it as parquet: `dataset.to_parquet(...)`",
    ".pkl": "save it as parquet: `frame.to_parquet(...)`",
    ".zip": "unpack it first",
    ".tar": "unpack it first",
    ".7z": "unpack it first",
}
SAMPLE_BYTES = 1 << 20  # for the delimiter
SEEN_BYTES = 64 << 20  # of JSONL, whose lines are checked one by one later


def suffixes(name: str) -> tuple[str, str]:
    """Returns the suffixes of a file's format and of its compression, in lower case."""
    parts = Path(name.lower()).suffixes
    packed = parts.pop() if parts and parts[-1] in compressions.SUFFIXES else ""
    return (parts[-1] if parts else ""), packed


def is_data_file(name: str) -> bool:
    """Returns whether `detect` can read a file, by its suffix."""
    return suffixes(name)[0] in FORMATS


def detect(path: Path, encoding: str | None = None, delimiter: str | None = None) -> FileFormat:
    """Returns how to read a file, with notes on what was found and how certain it is.

    Args:
        encoding: used instead of what would be detected.
        delimiter: likewise.

    Raises:
        UserError: it can't be read, or it is unclear how; the message names the file and what to
            do.
    """
    suffix = suffixes(path.name)[0]
    if not path.is_file():
        raise UserError(f"{path} is not a file.")
    if not path.stat().st_size:
        raise UserError(f"{path} is empty.")
    compression = find_compression(path)
    start = b"".join(itertools.islice(read_chunks(path, compression), 1))
    name = _format(path, suffix, start)
    notes = [f"format {name}: by its name"] if suffix in FORMATS else [f"format {name}: a guess"]
    if name == "parquet":
        if compression:
            raise UserError(f"{path} is parquet in {compression}: unpack it first.")
        return FileFormat(name, None, "utf-8", None, notes)
    if name == "excel":
        return FileFormat(name, None, "utf-8", None, [*notes, describe_sheets(path)])
    if encoding is None:
        limit = None if name in ("csv", "tsv") else SEEN_BYTES
        encoding, note = find_encoding(_limited(path, compression, limit), str(path))
        notes.append(note)
    else:
        encoding = _named(encoding)
        _check_mark(start, encoding, path)
        notes.append(f"encoding {encoding}: named")
    if name == "json" and _is_lines(start, encoding):
        name, notes[0] = "jsonl", "format jsonl: its name says json, but each line is a value"
    if name not in ("csv", "tsv"):
        return FileFormat(name, compression, encoding, None, notes)
    sample = _first_lines(path, compression, encoding)
    if delimiter is None:
        delimiter, quoted, found = find_delimiter(sample, path)
    else:
        quoted, found = check_delimiter(sample, delimiter, path)
    return FileFormat(name, compression, encoding, delimiter, notes + found, quoted)


def _format(path: Path, suffix: str, start: bytes) -> str:
    """Returns the format by the suffix, checked against the first bytes.

    Raises:
        UserError: it is not a supported one.
    """
    if start.startswith(b"PAR1"):
        return "parquet"
    if suffix in WORKBOOKS:
        return _workbook(path, suffix, start)
    other = ".arrow" if start.startswith(b"ARROW1") else suffix
    if other in ADVICE:
        raise UserError(f"{path} is a {other} file, which is not supported: {ADVICE[other]}.")
    if start.startswith(WORKBOOK_MAGIC):
        raise UserError(
            f"{path} has the content of an Excel workbook or an archive, not {suffix or 'text'}. "
            "Name a workbook .xlsx or .xls, as it was saved; unpack an archive."
        )
    if suffix in FORMATS and suffix != ".parquet":
        return FORMATS[suffix]
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"[")) and suffix != ".parquet":
        return "json"
    raise UserError(
        f"{path} is not a known kind of data file: expected {', '.join(FORMATS)}, also with "
        f"{', '.join(compressions.SUFFIXES)}."
    )


def _workbook(path: Path, suffix: str, start: bytes) -> str:
    """Returns the format of a workbook.

    Raises:
        UserError: its content is text, as many programs export it, or it is compressed.
    """
    if path.name.lower().endswith(suffix) and start.startswith(WORKBOOK_MAGIC):
        return "excel"
    if path.name.lower().endswith(suffix):
        raise UserError(
            f"{path} does not have the content of a workbook; it begins with {start[:20]!r}. "
            "Programs export text or HTML tables under such names: name text .csv or .tsv; open "
            "HTML in Excel and save it as .xlsx."
        )
    raise UserError(f"{path} is a workbook in another compression: unpack it first.")


def _named(encoding: str) -> str:
    """Returns Python's name of an encoding."""
    try:
        "a".encode(encoding)
        return codecs.lookup(encoding).name
    except (LookupError, ValueError):
        raise UserError(
            f"jsonl.encoding is '{encoding}', which is not an encoding of text. Known are utf-8, "
            "cp1254, cp1252, iso-8859-9, utf-16 and the others of Python."
        ) from None


def _check_mark(start: bytes, encoding: str, path: Path) -> None:
    """Refuses an encoding that the byte order mark contradicts.

    Raises:
        UserError: the file begins with the mark of another one.
    """
    mark = find_mark(start)
    if mark and not encoding.replace("-", "").startswith(
        mark.removesuffix("-sig").replace("-", "")
    ):
        raise UserError(
            f"{path} begins with the byte order mark of {mark}, and jsonl.encoding is {encoding}. "
            "Name none (null) to have it found for each file; in a list of sources "
            "jsonl.sources.<name>.encoding is for one of them."
        )


def _limited(path: Path, compression: str | None, limit: int | None) -> Iterator[bytes]:
    seen = 0
    for chunk in read_chunks(path, compression):
        yield chunk
        seen += len(chunk)
        if limit is not None and seen >= limit:
            return


def _is_lines(start: bytes, encoding: str) -> bool:
    """Returns whether a file has an object or a list on each line, by its first two."""
    text = b"".join(transcode([start], encoding)) if encoding.startswith(WIDE) else start
    text = text.removeprefix(b"\xef\xbb\xbf").lstrip()
    return bool(re.match(rb"\{[^\n]*\}\s*\n\s*\{|\[[^\n]*\]\s*\n\s*\[", text))


def _first_lines(path: Path, compression: str | None, encoding: str) -> Lines:
    """Returns whole lines of about SAMPLE_BYTES, or the first line if it is longer."""
    sample = Lines()
    size = 0
    for lines in decode_chunks(read_chunks(path, compression), encoding):
        sample += lines
        sample.damaged |= lines.damaged
        size += sum(map(len, lines))
        if size > SAMPLE_BYTES:
            break
    return sample
