"""Proposes which columns become which fields, tries it on the sample, and shows how to configure
it.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from tohum.commands.inspect.natural_language import language_shares
from tohum.commands.inspect.sample import Sample
from tohum.errors import UserError
from tohum.fields import Mapped, Proposal, as_override, compile_fields, describe
from tohum.fields.proposal import propose

WHERE = "jsonl.fields"
MOST_SHOWN = 5
IDS = (
    "  blob_id names blobs of Software Heritage: these rows are ids, and the texts are fetched by",
    "  them. Use source=stack_v2, or one of the presets next to it in conf/source, with the",
    "  repo_id, revision and paths of this data.",
)
FREE_TEXT = 200  # mean characters from which an unused column is asked about


@dataclass
class Origin:
    """The data's place as a configuration: a name, the values of a preset, and overrides."""

    name: str
    preset: dict[str, Any]
    overrides: list[str] = field(default_factory=list)


def describe_proposal(sample: Sample, origin: Origin) -> list[str]:
    """Returns what the rows would become, and what to paste for that."""
    if _has_ids_only(sample):
        return ["", "fields", *IDS]
    groups = Counter(tuple(row.values) for row in sample.rows)
    proposals = {columns: _propose(columns, sample) for columns in groups}
    lines = ["", "fields"]
    for columns, count in groups.most_common(MOST_SHOWN):
        lines += _describe(proposals[columns], columns, count)
    if len(groups) > MOST_SHOWN:
        lines.append(f"  and {len(groups) - MOST_SHOWN} more sets of columns")
    found = [proposal.fields for proposal in proposals.values() if proposal.fields]
    same = len(found) == len(proposals) and all(fields == found[0] for fields in found)
    fields = found[0] if same and found else {}
    if found:
        lines += _try(sample, fields)
    return lines + paste(origin, fields, sure=len(found) == len(proposals))


def _has_ids_only(sample: Sample) -> bool:
    """Returns whether the rows name Software Heritage's blobs without containing their texts."""
    row = next((row.values for row in sample.rows), {})
    files = row.get("files")
    inner = files[0] if isinstance(files, list) and files and isinstance(files[0], dict) else row
    return "blob_id" in inner and not describe(inner).fields and not describe(inner).choices


def _propose(columns: tuple[str, ...], sample: Sample) -> Proposal:
    """Returns the reading of a set of columns; if none fits, that of a nested one."""
    proposal = describe(columns)
    if proposal.fields or proposal.choices:
        return proposal
    row = next(row.values for row in sample.rows if tuple(row.values) == columns)
    nested = [choice for name in columns for choice in _nested(name, sample, columns)]
    if len(nested) == 1:
        return propose(columns, nested[0])
    if nested:
        return Proposal(choices=nested, reason="several nested columns have text")
    texts = sorted(name for name, value in row.items() if isinstance(value, str))
    return Proposal(reason=proposal.reason, unused=texts)


def _nested(name: str, sample: Sample, columns: tuple[str, ...]) -> Iterator[dict[str, str]]:
    """Yields the readings of the fields of an object, or of a list's objects, by their names."""
    values = [row.values[name] for row in sample.rows if tuple(row.values) == columns]
    value = next((value for value in values if value), None)
    inner = value[0] if isinstance(value, list) else value
    if isinstance(inner, dict) and not set(name) & set(".[]{}"):
        prefix = f"{name}[]." if isinstance(value, list) else f"{name}."
        for choice in [describe(inner).fields, *describe(inner).choices]:
            if choice and not any("{" in column for column in choice.values()):
                yield {key: prefix + column for key, column in choice.items()}


def _describe(proposal: Proposal, columns: tuple[str, ...], count: int) -> list[str]:
    head = f"  {count:,} of the sampled rows have the columns {', '.join(columns)}"
    if proposal.fields:
        fields = [f"    {key} is {value!r}" for key, value in proposal.fields.items()]
        unused = f"    unused: {', '.join(proposal.unused)}"
        return [head, *fields, *([unused] if proposal.unused else [])]
    if proposal.choices:
        reason = f"    Not sure: {proposal.reason}. Add the right one to `overrides`:"
        return [head, reason, *(f"      {as_override(WHERE, one)}" for one in proposal.choices)]
    lines = [f"    Nothing fits: {proposal.reason}."]
    if proposal.unused:
        lines.append("    Columns with text; say which is which, for example:")
        lines += [f"      {as_override(WHERE, {'content': name})}" for name in proposal.unused[:8]]
    return [head, *lines]


def _try(sample: Sample, fields: dict[str, str]) -> list[str]:
    """Returns how many of the rows become records, the problems of the others, and languages."""
    mapping = compile_fields(fields, WHERE)
    mapped: list[Mapped] = []
    for row in sample.rows:
        try:
            mapped += mapping.records(row.values)
        except UserError:
            mapped.append(Mapped(problem="its columns can be read in several ways"))
    problems = Counter(record.problem for record in mapped if record.problem)
    good = [record for record in mapped if not record.problem]
    lines = [f"  tried on {len(sample.rows):,} rows: {len(good):,} records"]
    lines += [f"    {count:,} without: {name}" for name, count in problems.most_common(MOST_SHOWN)]
    texts = [text_of(record) for record in good]
    lines.append(f"  language of the text: {language_shares(texts)}")
    programming = Counter(record.language for record in good if record.language)
    if programming:
        shares = ", ".join(f"{name} {count:,}" for name, count in programming.most_common(8))
        lines.append(f"  language by its column: {shares}")
    return lines + _left_out(sample, mapping.given)


def _left_out(sample: Sample, fields: dict[str, str]) -> list[str]:
    """Returns the long texts that no field takes: they may be wanted."""
    used = " ".join(fields.values())
    lines = []
    for name in sample.columns if fields else []:
        texts = [row.values.get(name) for row in sample.rows]
        lengths = [len(text) for text in texts if isinstance(text, str)]
        if name not in used and lengths and sum(lengths) / len(lengths) >= FREE_TEXT:
            lines.append(f"  Not sure: '{name}' has long texts too, and is left out.")
    return lines


def text_of(record: Mapped) -> str:
    """Returns the text of a record, that of all its messages."""
    if record.content is not None:
        return record.content
    return "\n".join(message["content"] for message in record.messages or [])


def paste(origin: Origin, fields: dict[str, str], sure: bool) -> list[str]:
    """Returns the configuration for the data: as overrides, and as a preset of its own."""
    overrides = [*origin.overrides, *([as_override(WHERE, fields)] if fields else [])]
    # A line feed as in templates, on one line: YAML would fold it over several.
    lines = {key: value.replace("\n", "\\n") for key, value in fields.items()}
    preset = {**origin.preset, "jsonl": {"fields": lines, "min_bytes": 1}}
    text = yaml.safe_dump(preset, allow_unicode=True, sort_keys=False, width=1000)
    warning = [] if sure else ["# with the right fields: not every row fits yet"]
    return [
        "",
        "to paste into params.yaml",
        *warning,
        "  overrides:",
        *(f"    - {line}" for line in overrides),
        "",
        f"or to save as conf/source/{origin.name}.yaml, for source={origin.name}",
        *warning,
        *(f"  {line}" for line in text.splitlines()),
    ]
