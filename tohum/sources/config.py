"""The section `source` of the configuration: one kind of source, or a mix of several."""

from dataclasses import dataclass
from typing import Any, Protocol

from tohum.config.loading import load_values
from tohum.config.sections import read_section
from tohum.errors import UserError
from tohum.sources.destination import Destination
from tohum.sources.files import FilesSource
from tohum.sources.hub import HubSource
from tohum.sources.local import LocalSource
from tohum.sources.packages import PackagesSource

SOURCES: dict[str, type] = {
    "packages": PackagesSource,
    "local": LocalSource,
    "files": FilesSource,
    "hub": HubSource,
}


class Source(Protocol):
    """The interface of every kind of source: a dataclass of its values that can download."""

    kind: str

    def download(self, destination: Destination) -> None:
        """Writes the source's files to its folder in data/raw, with their manifest and, last,
        source.json.
        """


@dataclass
class MixSource:
    """Several sources, by name."""

    kind: str
    sources: dict[str, Any]


def load_source() -> Source | MixSource:
    """Reads the section from params.lock.yaml.

    Raises:
        UserError: the file is missing, or a value in it is not allowed.
    """
    return read_source(load_values("source"))


def read_source(values: Any, name: str = "source") -> Source | MixSource:
    """Turns plain values into the dataclass of their kind; those of a mix into one each.

    Raises:
        UserError: the kind is unknown, a mix has no sources, or a value is not allowed.
    """
    kind = values.get("kind") if isinstance(values, dict) else None
    allowed = [*SOURCES, *(["mix"] if name == "source" else [])]
    if kind not in allowed:
        raise UserError(f"{name}.kind is {kind!r}, allowed: {', '.join(allowed)}.")
    if kind != "mix":
        source: Source = read_section(name, SOURCES[kind], values)
        if isinstance(source, HubSource | LocalSource | FilesSource):
            source.check(name)
        return source
    members = values.get("sources")
    if not isinstance(members, dict) or not members:
        raise UserError(
            "the source is a list of none: name presets, as in source=[packages,files]."
        )
    return MixSource(
        kind, {key: read_source(member, f"source.{key}") for key, member in members.items()}
    )
