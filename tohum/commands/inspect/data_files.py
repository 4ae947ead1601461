"""Data files on this machine: one, or a folder of them."""

import os
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from tohum.commands.inspect.columns import describe_columns, describe_rows
from tohum.commands.inspect.proposals import Origin, describe_proposal
from tohum.commands.inspect.sample import Sample, sample_file
from tohum.commands.printing import aligned, counted, size_of, titled
from tohum.errors import UserError
from tohum.readers import is_data_file
from tohum.readers.detection import suffixes
from tohum.translation import translated
from tohum.workdir import project_root

MOST_FILES = 20
PRESETS = Path("conf/source")
SKIPPED = ("node_modules", "__pycache__", "venv")
CONFIGURATION = (".json",)  # a suffix that data shares with the configuration of programs


def data_files(path: Path) -> list[Path]:
    """Returns the data files of a folder by path, or the file itself.

    Raises:
        UserError: there is no such file, or none in the folder.
    """
    if not path.exists():
        raise UserError(
            f"there is no {path}. Give a file, a folder, or a dataset of the Hub as owner/name."
        )
    if path.is_file():
        return [path]
    return [file for file in walk(path) if is_data_file(file.relative_to(path).as_posix())]


def walk(folder: Path) -> Iterator[Path]:
    """Yields the files below a folder by path, without hidden folders and installed packages."""
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and name not in SKIPPED
        )
        yield from (Path(root) / name for name in sorted(names) if not name.startswith("."))


def is_data_folder(folder: Path) -> bool:
    """Returns whether a folder holds data rather than code: more bytes in files of data than in
    others; of those that end in .json only where there is nothing but them.
    """
    data = other = unclear = 0
    for file in walk(folder):
        size = file.stat().st_size if file.is_file() else 0
        if not is_data_file(file.name):
            other += size
        elif suffixes(file.name)[0] in CONFIGURATION:
            unclear += size
        else:
            data += size
    return data > other or (unclear > 0 and not data and unclear > 10 * other)


def inspect_files(files: list[Path], source: Path, rows: int, width: int) -> list[str]:
    """Returns what is in the files: each in a line, and the rows of one for each set of columns."""
    size = size_of(sum(map(_size, files)))
    lines = [translated(f"{source}: {counted(len(files), 'data file')}, {size}")]
    samples, refusals = _samples(files[:MOST_FILES], rows)
    if len(samples) > 1:
        lines += aligned(
            [
                (Path(one.name).name, size_of(one.size), _format(one), translated(one.total))
                for one in samples
            ],
            width,
            numbers=(1,),
        )
    lines += [translated(f"  not read: {refusal}") for refusal in refusals]
    if len(files) > MOST_FILES:
        left = f"  and {len(files) - MOST_FILES:,} more, which were not looked at"
        lines.append(translated(left))
    shapes: dict[tuple[str, ...], list[Sample]] = {}
    for sample in samples:
        shapes.setdefault(tuple(sorted(sample.columns)), []).append(sample)
    for alike in shapes.values():
        whole = len(shapes) == 1
        lines += describe_sample(alike, _origin(source, alike, whole), width)
    return lines


def _samples(files: list[Path], rows: int) -> tuple[list[Sample], list[UserError]]:
    """Returns what was read from the files, and why some were not read.

    Raises:
        UserError: none can be read.
    """
    samples, refusals = [], []
    for file in files:
        try:
            samples.append(sample_file(file, rows))
        except UserError as refusal:
            refusals.append(refusal)
    if not samples:
        raise refusals[0]
    return samples, refusals


def describe_sample(alike: list[Sample], origin: Origin, width: int) -> list[str]:
    """Returns everything known about the first of several files with the same columns."""
    sample = alike[0]
    facts = [f"  {note}" for note in sample.format.notes]
    if sample.format.compression:
        facts.append(f"  compression {sample.format.compression}: by its first bytes")
    facts.append(f"  {sample.total}, {size_of(sample.size)}")
    seen = f"  {len(sample.rows):,} of them looked at, from the first on"
    facts.append(f"{seen}; {len(sample.broken):,} broken" if sample.broken else seen)
    facts += [f"    {broken.number}: {broken.reason}" for broken in sample.broken[:3]]
    if len(alike) > 1:
        facts.append(f"  {len(alike) - 1:,} more files have these columns")
    return [
        *titled(sample.name, map(translated, facts)),
        *titled("columns", describe_columns(sample, width)),
        *titled("samples", describe_rows(sample, width)),
        *map(translated, describe_proposal(sample, origin)),
    ]


def _origin(source: Path, alike: list[Sample], whole: bool) -> Origin:
    """Returns the configuration of the files: the folder itself, if all in it are alike."""
    paths = [str(source)] if whole else [sample.name for sample in alike]
    preset = {"kind": "files", "paths": paths, "license": None}
    written = ", ".join('"' + path.replace('"', '\\"') + '"' for path in paths)
    overrides = ["source=files", "'source.paths=[" + written.replace("'", "''") + "]'"]
    return Origin(
        slug(Path(alike[0].name if len(alike) == 1 else source.name).name), preset, overrides
    )


def slug(name: str) -> str:
    """Returns a name for a preset that conf/source doesn't have yet: ASCII letters, digits and
    underscores, which Hydra's overrides allow.
    """
    plain = unicodedata.normalize("NFKD", name.partition(".")[0].lower().replace("ı", "i"))
    ascii_only = "".join(letter for letter in plain if not unicodedata.combining(letter))
    words = re.findall("[a-z0-9]+", ascii_only)
    stem = "_".join(words) if words and words[0][0].isalpha() else "_".join(["data", *words])
    return f"{stem}_data" if (project_root() / PRESETS / f"{stem}.yaml").exists() else stem


def _format(sample: Sample) -> str:
    return " ".join(filter(None, (sample.format.format, sample.format.compression)))


def _size(file: Path) -> int:
    return file.stat().st_size
