"""Detects how to read a file: its format, compression, encoding and delimiter."""

import codecs
import itertools
import re
from collections.abc import Iterator
from pathlib import Path, PurePath

from tohum.errors import UserError
from tohum.readers import compression as compressions
from tohum.readers.compression import find_compression, read_chunks
from tohum.readers.delimiters import check_delimiter, find_delimiter
from tohum.readers.encodings import find_encoding, find_mark
from tohum.readers.layout import layout_of
from tohum.readers.line_blocks import WIDE, transcode
from tohum.readers.rows import EmptyFileError, FileFormat, ReadLimits
from tohum.readers.stand_ins import check_content
from tohum.readers.table_feed import Lines, read_table_lines, split_lines
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
    ".arrow": "arrow",
    **dict.fromkeys(WORKBOOKS, "excel"),
}
ADVICE = {
    ".pkl": "save it as parquet: `frame.to_parquet(...)`",
    ".zip": "unpack it first",
    ".tar": "unpack it first",
    ".7z": "unpack it first",
}
ARROW_MAGIC = b"ARROW1"
CONTROL = re.compile(rb"[\x00-\x08\x0e-\x19\x1b-\x1f]")
# Files that describe a dataset and lie next to its data: of `datasets`, Kaggle, Frictionless and
# MLCommons. In these folders, Spark and Delta keep their own.
DESCRIPTIONS = (
    "dataset_info.json",
    "dataset_infos.json",
    "dataset_dict.json",
    "state.json",
    "dataset-metadata.json",
    "datapackage.json",
    "croissant.json",
)
OWN_FOLDERS = ("_delta_log", "_temporary", "_spark_metadata")
SAMPLE_BYTES = 1 << 20  # for the delimiter
SAMPLE_LINES = 20_000
SEEN_BYTES = 64 << 20  # of JSONL, whose lines are checked one by one later
LINE_END = re.compile(rb'(?:[^"\r\n]++|"[^"]*+"?)*+(\r*\n?)')  # of the first line, not in quotes


def suffixes(name: str) -> tuple[str, str]:
    """Returns the suffixes of a file's format and of its compression, in lower case."""
    parts = Path(name.lower()).suffixes
    packed = parts.pop() if parts and parts[-1] in compressions.SUFFIXES else ""
    return (parts[-1] if parts else ""), packed


def is_data_file(name: str) -> bool:
    """Returns whether `detect` can read a file, by its suffix; one that only describes a dataset
    is none, nor what Excel leaves beside a workbook that it has open.
    """
    open_in_excel = PurePath(name).name.startswith("~$")
    return suffixes(name)[0] in FORMATS and not describes_dataset(name) and not open_in_excel


def describes_dataset(name: str) -> bool:
    """Returns whether a file only describes a dataset, by its name and its folders."""
    path = PurePath(name.lower())
    return path.name in DESCRIPTIONS or any(part in OWN_FOLDERS for part in path.parts)


def detect(
    path: Path,
    encoding: str | None = None,
    delimiter: str | None = None,
    limits: ReadLimits | None = None,
) -> FileFormat:
    """Returns how to read a file, with notes on what was found and how certain it is.

    Args:
        encoding: used instead of what would be detected.
        delimiter: likewise.
        limits: what may be held in memory.

    Raises:
        EmptyFileError: there is nothing in it.
        UserError: it can't be read, or it is unclear how; the message names the file and what to
            do.
    """
    limits = limits or ReadLimits()
    suffix = suffixes(path.name)[0]
    if not path.is_file():
        raise UserError(f"{path} is not a file.")
    if not path.stat().st_size:
        raise EmptyFileError(f"{path} is empty.")
    compression = find_compression(path)
    start = next(read_chunks(path, compression, limits.decoder), b"")
    if not start:
        raise EmptyFileError(f"{path} is empty: there is nothing in its {compression} data.")
    if suffix not in WORKBOOKS:
        check_content(path, start)
    name = _format(path, suffix, start, compression)
    notes = [f"format {name}: by its name"] if suffix in FORMATS else [f"format {name}: a guess"]
    format = FileFormat(name, compression, "utf-8", None, notes, limits=limits)
    if name == "excel":
        notes.append(describe_sheets(path))
    if name in ("excel", "parquet", "arrow"):
        return format
    if encoding is None:
        limit = None if name in ("csv", "tsv") else SEEN_BYTES
        format.encoding, note = find_encoding(_limited(path, format, limit), str(path))
        notes.append(note)
    else:
        format.encoding = _named(encoding)
        _check_mark(start, format.encoding, path)
        notes.append(f"encoding {format.encoding}: named")
    if name in ("json", "jsonl"):
        format.format, note = layout_of(start, format.encoding, name)
        notes[0] = note or notes[0]
    if format.format != "json" and _ends_in_returns(start, format):
        format.carriage_returns = True
        notes.append("lines end in carriage returns alone")
    if name in ("csv", "tsv"):
        _describe_table(path, format, delimiter)
    return format


def _describe_table(path: Path, format: FileFormat, delimiter: str | None) -> None:
    """Adds what is found about a table by its first lines."""
    sample, blank = _first_lines(path, format)
    if delimiter is None:
        table, notes = find_delimiter(sample, path)
    else:
        table, notes = check_delimiter(sample, delimiter, path)
    format.delimiter = table.delimiter
    format.quoted, format.escapes = table.quoted, table.escapes
    format.header_line = blank + table.header_line
    format.notes += notes


def _format(path: Path, suffix: str, start: bytes, compression: str | None) -> str:
    """Returns the format by the suffix, checked against the first bytes.

    Raises:
        UserError: it is not a supported one.
    """
    if start.startswith(b"PAR1"):
        if compression:
            raise UserError(f"{path} is parquet in {compression}: unpack it first.")
        return "parquet"
    if suffix in WORKBOOKS:
        return _workbook(path, suffix, start)
    if suffix in ADVICE:
        raise UserError(f"{path} is a {suffix} file, which is not supported: {ADVICE[suffix]}.")
    if start.startswith(WORKBOOK_MAGIC):
        raise UserError(
            f"{path} has the content of an Excel workbook or an archive, not {suffix or 'text'}. "
            "Name a workbook .xlsx or .xls, as it was saved; unpack an archive."
        )
    if suffix == ".arrow" or start.startswith(ARROW_MAGIC):
        if compression:
            raise UserError(f"{path} is Arrow in {compression}: unpack it first.")
        return "arrow"
    packed = suffixes(path.name)[1]
    if packed and not compression and CONTROL.search(start[:1024]) and not find_mark(start):
        raise UserError(
            f"{path} is not {compressions.SUFFIXES[packed]}, as its name says: it begins with "
            f"{start[:8]!r}. Fetch it again, or give it the suffix of what it is."
        )
    if suffix in FORMATS and suffix != ".parquet":
        return FORMATS[suffix]
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"[")) and suffix != ".parquet":
        return "json"
    if suffix == ".parquet":
        raise UserError(
            f"{path} is not a parquet file: it begins with {start[:8]!r}, not with PAR1. Fetch it "
            "again, or give it the suffix of what it is."
        )
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


def _limited(path: Path, format: FileFormat, limit: int | None) -> Iterator[bytes]:
    seen = 0
    for chunk in read_chunks(path, format.compression, format.limits.decoder):
        yield chunk
        seen += len(chunk)
        if limit is not None and seen >= limit:
            return


def _ends_in_returns(start: bytes, format: FileFormat) -> bool:
    """Returns whether lines end in a carriage return without a line feed, as of old Macs. In the
    cells of such a table there may be line feeds.
    """
    if b"\r" not in start:
        return False
    wide = format.encoding.startswith(WIDE)
    text = b"".join(transcode([start], format.encoding)) if wide else start
    if format.format not in ("csv", "tsv"):
        return b"\n" not in text
    first = LINE_END.match(text.lstrip(b"\xef\xbb\xbf\r\n"))
    return first is not None and first[1].strip(b"\r") == b"" and b"\r" in first[1]


def _first_lines(path: Path, format: FileFormat) -> tuple[Lines, int]:
    """Returns whole lines of about SAMPLE_BYTES, or the first line if it is longer; and how many
    blank lines are before them.
    """
    sample = Lines()
    size = blank = 0
    for lines in read_table_lines(path, format):
        if lines.blank and not sample:
            blank += lines.feeds
            continue
        above = sum(1 for _ in itertools.takewhile(str.isspace, lines)) if not sample else 0
        blank += above
        sample += lines[above : above + SAMPLE_LINES] or split_lines(lines.blank)[:SAMPLE_LINES]
        sample.damaged |= lines.damaged
        size += sum(map(len, lines)) + len(lines.blank)
        if size > SAMPLE_BYTES or len(sample) >= SAMPLE_LINES:
            break
    return sample, blank
