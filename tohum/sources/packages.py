"""The source `packages`: Python files of installed wheels, verified against each wheel's RECORD.

Only pure-Python wheels (tag `*-none-any`) count: their files are the same bytes on every machine,
so a pinned list of packages is a pinned corpus. RECORD is specified in
https://packaging.python.org/en/latest/specifications/recording-installed-packages/
"""

import base64
import csv
import importlib.metadata
from collections import Counter
from dataclasses import dataclass
from importlib.metadata import Distribution
from io import StringIO
from pathlib import Path, PurePosixPath

from tohum.config.sections import limits
from tohum.errors import UserError
from tohum.gitignore import Patterns
from tohum.licenses import expression
from tohum.sources.destination import Destination
from tohum.sources.offered_files import OfferedFile, write_offered

INSTALL = "python -m pip install -c constraints.txt -e ."


@dataclass
class PackagesSource:
    """Python files of installed, pinned, pure-Python packages."""

    kind: str
    packages: list[str]
    suffixes: list[str]
    exclude: list[str]
    max_bytes: int = limits(minimum=1)

    def download(self, destination: Destination) -> None:
        """Writes the files of the packages.

        Raises:
            UserError: a package is not the pinned one, or a file is not its wheel's.
        """
        left_out: Counter[str] = Counter()
        offered = package_files(self, left_out)
        write_offered(self.kind, offered, self.max_bytes, left_out, destination)


def package_files(source: PackagesSource, left_out: Counter[str]) -> list[OfferedFile]:
    """Lists the files of the pinned packages, in no particular order.

    Raises:
        UserError: a package is missing, has another version than the pinned one, is not pure
            Python, or has no RECORD.
    """
    excluded = Patterns(source.exclude)
    offered = []
    for pin in source.packages:
        distribution = _installed(pin)
        for file in _recorded_files(distribution, pin, tuple(source.suffixes)):
            if excluded.cover(file.path):
                left_out["excluded by pattern"] += 1
            else:
                offered.append(file)
    return offered


def _installed(pin: str) -> Distribution:
    name, equal, version = pin.partition("==")
    if not equal:
        raise UserError(
            f"source.packages has '{pin}', expected name==version, as in constraints.txt."
        )
    try:
        distribution = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        raise UserError(
            f"source.packages: '{name}' is not installed. Install the pinned packages: {INSTALL}"
        ) from None
    if distribution.version != version:
        raise UserError(
            f"source.packages pins {pin}, but {name} {distribution.version} is installed. A "
            f"different version is a different corpus: install the pinned one ({INSTALL}), or edit "
            "the pin and say so in your commit."
        )
    lines = (distribution.read_text("WHEEL") or "").splitlines()
    tags = [line[5:] for line in lines if line.startswith("Tag: ")]
    if not tags or not all(tag.endswith("-none-any") for tag in tags):
        raise UserError(
            f"source.packages: {pin} is not a pure-Python wheel (tags: "
            f"{', '.join(tags) or 'none'}), so its files are not the same on every machine. Take "
            "it off the list."
        )
    return distribution


def _recorded_files(
    distribution: Distribution, pin: str, suffixes: tuple[str, ...]
) -> list[OfferedFile]:
    # Not Distribution.files: since Python 3.12 it leaves out missing files.
    record = distribution.read_text("RECORD")
    if record is None:
        raise UserError(
            f"{pin} was installed without a RECORD, so its files can't be verified. Reinstall it "
            "with pip."
        )
    license_name = _license(distribution)
    remedy = f"Reinstall it: python -m pip install --force-reinstall --no-deps {pin}"
    offered = []
    for path, digest, size in csv.reader(StringIO(record, newline="")):
        file = PurePosixPath(path)
        if file.suffix not in suffixes or not digest or ".." in file.parts:
            continue  # compiled files have no hash, console scripts are outside the package
        mode, _, value = digest.partition("=")
        if mode != "sha256":
            raise UserError(f"{pin}: RECORD gives {file} a {mode} hash, expected sha256. {remedy}")
        offered.append(
            OfferedFile(
                location=Path(str(distribution.locate_file(path))),
                path=path,
                repo=pin,
                source="packages",
                license=license_name,
                sha256=base64.urlsafe_b64decode(value + "==").hex(),
                size=int(size or 0),
                remedy=remedy,
            )
        )
    return offered


def _license(distribution: Distribution) -> str | None:
    """Returns the licence as the package states it: an SPDX expression in either field of its
    metadata, else its classifiers, else the old free text.
    """
    metadata = distribution.metadata.json
    if stated := metadata.get("license_expression"):
        return str(stated)
    text = str(metadata.get("license", "")).strip().partition("\n")[0].strip()
    if expression(text):
        return text
    prefix = "License :: "
    classifiers = [line for line in metadata.get("classifier", []) if line.startswith(prefix)]
    if classifiers:
        return "; ".join(line.rpartition(" :: ")[2] for line in classifiers)
    return text or None
