"""The section `source` of the configuration: which kind of source it is, or which several."""

from dataclasses import dataclass
from typing import Any, Protocol

from tohum.config.loading import load_values
from tohum.config.sections import limits, read_section
from tohum.errors import UserError
from tohum.sources.files import FilesSource
from tohum.sources.local import LocalSource
from tohum.sources.packages import PackagesSource


@dataclass
class HubSource:
    """Files of a Hugging Face dataset: the ids of blobs, URLs, the contents themselves, or rows of
    any shape.
    """

    kind: str
    repo_id: str
    revision: str
    paths: list[str]
    columns: dict[str, str]
    terms: str | None
    content: str = limits(choices=("software_heritage", "url", "inline", "rows"))
    max_rows: int | None = limits(minimum=1)
    max_bytes: int = limits(minimum=1)


@dataclass
class MixSource:
    """Several sources, by name."""

    kind: str
    sources: dict[str, Any]


SOURCES: dict[str, type] = {
    "packages": PackagesSource,
    "local": LocalSource,
    "files": FilesSource,
    "hub": HubSource,
    "mix": MixSource,
}


class Source(Protocol):
    """What every source has; `kind` says which of SOURCES it is."""

    kind: str


def load_source() -> Source:
    """Reads the section from params.lock.yaml.

    Raises:
        UserError: the file is missing, or a value in it is not allowed.
    """
    return read_source(load_values("source"))


def read_source(values: Any, name: str = "source") -> Source:
    """Turns plain values into the dataclass of their kind; those of a mix, each into its own.

    Raises:
        UserError: the kind is not known, a mix has no source, or a value is not allowed.
    """
    kind = values.get("kind") if isinstance(values, dict) else None
    allowed = [known for known in SOURCES if name == "source" or known != "mix"]
    if kind not in allowed:
        raise UserError(f"{name}.kind is {kind!r}, allowed: {', '.join(allowed)}.")
    if kind != "mix":
        source: Source = read_section(name, SOURCES[kind], values)
        return source
    members = values.get("sources")
    if not isinstance(members, dict) or not members:
        raise UserError(
            "the source is a list of none: name presets, as in source=[packages,files]."
        )
    return MixSource(
        kind, {key: read_source(member, f"source.{key}") for key, member in members.items()}
    )
