"""The section `jsonl` of the configuration."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from tohum.cleaning.rules import Rules
from tohum.config.sections import limits, nearest, read_section
from tohum.errors import UserError

SHARED_BY_SOURCES = ("sources", "shard_bytes", "compression", "near_duplicates")


@dataclass(kw_only=True)
class Jsonl(Rules):
    """How raw files become JSONL records: the keys of the stage, and those of the cleaning rules.

    `sources` holds the values that differ for one source of a mix, by source name.
    """

    fields: dict[str, str]
    encoding: str | None
    delimiter: str | None
    sources: dict[str, Any]
    weight: float = limits(minimum=1e-6, maximum=1000)
    shard_bytes: int | None = limits(minimum=1024)
    compression: str = limits(choices=("none", "zstd"))
    max_lost_share: float = limits(minimum=0, maximum=1)

    def check(self, config: Any) -> None:
        """Checks the rules for all sources, and those of each source with its own.

        Raises:
            UserError: two values contradict each other, or a source is not in this run.
        """
        names = list(getattr(config.source, "sources", {}))
        for name in self.sources:
            if name not in names:
                raise UserError(
                    f"jsonl.sources has '{name}', which is not a source of this run."
                    f"{nearest(name, names) if names else ' It is only for a list of sources.'}"
                )
            rules_of(self, name)
        _check_rules("jsonl", self)


def rules_of(jsonl: Jsonl, name: str) -> Jsonl:
    """Returns the rules for one source: the shared ones, with its own from `jsonl.sources`.

    Raises:
        UserError: a value is not allowed, or can only be set for all sources together.
    """
    own = jsonl.sources.get(name, {})
    if isinstance(own, dict):
        for key in SHARED_BY_SOURCES:
            if key in own:
                raise UserError(
                    f"jsonl.sources.{name}.{key} can't be set for one source: set jsonl.{key}."
                )
        own = {**dataclasses.asdict(jsonl), "sources": {}, **own}
    rules = read_section(f"jsonl.sources.{name}", Jsonl, own)
    _check_rules(f"jsonl.sources.{name}", rules)
    return rules


def _check_rules(section: str, rules: Jsonl) -> None:
    if rules.min_bytes > rules.max_bytes:
        raise UserError(
            f"{section}.min_bytes is {rules.min_bytes}, expected at most {section}.max_bytes "
            f"({rules.max_bytes})."
        )
