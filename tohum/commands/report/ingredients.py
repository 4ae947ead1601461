"""What went into a model: sources, licences, repositories, and what was left out, with examples.

It reads models/lm/provenance.json and origins.jsonl, metrics/jsonl.json, plots/jsonl.csv and
data/jsonl/dropped.jsonl.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import nlargest
from pathlib import Path
from typing import Any

import orjson

from tohum.commands.report.summary import read_metrics
from tohum.files import read_json
from tohum.formats.outcomes import LOST
from tohum.licenses import UNKNOWN, by_expression

SEARCHED_LINES = 500_000  # of dropped.jsonl, for examples: a second or two
MOST_LICENCES, MOST_REPOSITORIES = 8, 8


@dataclass
class LeftOut:
    """What was left out for one reason: documents, the bytes of their texts if known, and some of
    them. `stage` says when: before it was fetched, by a rule, or because it was lost on the way.
    """

    reason: str
    stage: str
    documents: int
    bytes: int | None = None
    examples: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Ingredients:
    """What went in. `licences` and `repositories` have the largest; `more_...` counts the rest."""

    metrics: dict[str, Any]
    sources: list[dict[str, Any]]
    licences: list[dict[str, Any]]
    more_licences: int
    repositories: list[dict[str, Any]]
    more_repositories: int
    left_out: list[LeftOut]


def read_ingredients(root: Path, examples: int) -> Ingredients:
    """Returns what went into the model of a project, with so many examples for each reason.

    Raises:
        UserError: the pipeline has not run to its end, or a file is damaged.
    """
    metrics = read_metrics(root, "jsonl")
    model = root / "models" / "lm"
    with read_json(model / "provenance.json", "evaluate") as provenance:
        facts, licenses = provenance["sources"], provenance["licenses"]
    total = max(1, metrics["bytes"])
    licences = [
        {"name": name, "unknown": name == UNKNOWN, "documents": group.documents,
         "bytes": group.bytes, "share": group.bytes / total}
        for name, group in by_expression(licenses).items()
    ]  # fmt: skip
    origins = [origin for origin in _lines(model / "origins.jsonl") if origin["repo"]]
    for origin in origins:
        origin["share"] = origin["bytes"] / total
    largest = nlargest(MOST_REPOSITORIES, origins, key=lambda origin: origin["bytes"])
    return Ingredients(
        metrics,
        [
            {
                "name": name,
                "kind": facts.get(name, {}).get("kind", name),
                **counted,
                "share": counted["bytes"] / total,
            }
            for name, counted in metrics["sources"].items()
        ],
        licences[:MOST_LICENCES],
        len(licences[MOST_LICENCES:]),
        largest,
        len(origins) - len(largest),
        [*_never_fetched(facts), *_dropped(root, metrics, examples)],
    )


def _never_fetched(facts: dict[str, dict[str, Any]]) -> Iterator[LeftOut]:
    """Yields what the sources left out themselves: counts by reason, or reasons by path."""
    counts: dict[str, LeftOut] = {}
    for source in facts.values():
        for key, value in (source.get("left_out") or {}).items():
            by_path = not isinstance(value, int)
            reason = str(value) if by_path else key
            found = counts.setdefault(reason, LeftOut(reason, "not_fetched", 0))
            found.documents += 1 if by_path else value
            if by_path:
                found.examples.append({"path": key})
    yield from sorted(counts.values(), key=lambda one: -one.documents)


def _dropped(root: Path, metrics: dict[str, Any], examples: int) -> list[LeftOut]:
    """Returns what the rules left out, and what was lost, the most first."""
    lost = {reason: metrics.get(reason, 0) for reason in LOST}
    found = {
        reason: LeftOut(reason, "was_lost" if reason in lost else "by_rule", count)
        for reason, count in {**metrics["filtered"], **lost}.items()
        if count
    }
    rules = root / "plots" / "jsonl.csv"
    if rules.is_file():
        with rules.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if row["rule"] in found:
                    found[row["rule"]].bytes = int(row["bytes"])
    wanted = {reason: min(examples, one.documents) for reason, one in found.items()}
    path = root / "data" / "jsonl" / "dropped.jsonl"
    for number, line in enumerate(_lines(path)):
        if number == SEARCHED_LINES or not any(wanted.values()):
            break
        if wanted.get(line["reason"]):
            wanted[line["reason"]] -= 1
            found[line["reason"]].examples.append(line)
    return sorted(found.values(), key=lambda one: -one.documents)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yields the objects of a JSONL file, none if it is missing."""
    if path.is_file():
        with path.open("rb") as lines:
            for line in lines:
                yield orjson.loads(line)
