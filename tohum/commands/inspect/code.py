"""Inspects a folder of code: what the source `local` would take, and what it would leave out."""

from collections import Counter
from pathlib import Path

import yaml

from tohum.commands.inspect.natural_language import language_shares
from tohum.commands.printing import aligned, size_of, titled
from tohum.config.sections import read_section
from tohum.errors import UserError
from tohum.sources.local import LocalSource, local_files
from tohum.translation import translated, translated_label
from tohum.workdir import project_root

PRESET = Path("conf/source/local.yaml")
MOST_SUFFIXES = 25
LOOKED_AT = 200  # files, for the language of their words


def inspect_code(folder: Path, width: int) -> list[str]:
    """Returns files and bytes by suffix, and what is left out, by reason.

    Raises:
        UserError: there is nothing to train on.
    """
    preset = project_root() / PRESET
    if not preset.is_file():
        raise UserError(f"there is no {preset}: run this in the root of the project.")
    values = {**yaml.safe_load(preset.read_text("utf-8")), "path": str(folder.resolve())}
    left_out: Counter[str] = Counter()
    found = local_files(read_section("source", LocalSource, values), left_out)
    if not found:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in left_out.most_common())
        raise UserError(
            f"{folder} has neither data files nor files of code that `source=local` takes "
            f"({reasons or 'it is empty'})."
        )
    files: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for file in found:
        suffix = Path(file.path).suffix.lower() or "(none)"
        files[suffix] += 1
        sizes[suffix] += file.size
    table = [tuple(map(translated_label, ("suffix", "files", "size")))]
    table += [
        (name, f"{files[name]:,}", size_of(size)) for name, size in sizes.most_common(MOST_SUFFIXES)
    ]
    step = max(1, len(found) // LOOKED_AT)
    texts = [file.location.read_text("utf-8", "replace") for file in found[::step]]
    path = str(folder.resolve()).replace("'", "''")
    return [
        translated(f"{folder}: a folder of code, {len(found):,} files, {size_of(sizes.total())}"),
        *titled("files that source=local takes", aligned(table, width, numbers=(1, 2))),
        *titled("left out", _reasons(left_out, width)),
        "",
        translated(f"words in names and comments: {language_shares(texts)}"),
        "",
        translated("to paste into params.yaml"),
        "  overrides:",
        "    - source=local",
        f"    - 'source.path=\"{path}\"'",
        f"    - source.license=null  # {translated('the licence of the files, such as MIT')}",
    ]


def _reasons(left_out: Counter[str], width: int) -> list[str]:
    if not left_out:
        return []
    rows = [(translated_label(reason), f"{count:,}") for reason, count in left_out.most_common()]
    return aligned(rows, width, numbers=(1,))
