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
from tohum.fields.conversation_shapes import find_conversation
from tohum.fields.proposal import propose
from tohum.readers import Row
from tohum.translation import translated_label

WHERE = "jsonl.fields"
MOST_SHOWN = 5
IDS = (
    "  blob_id names blobs of Software Heritage: these rows are ids, and the texts are fetched by",
    "  them. Use source=stack_v2, or one of the presets next to it in conf/source, with the",
    "  repo_id, revision and paths of this data.",
)
UNDECIDED = "its columns can be read in several ways"
FREE_TEXT = 200  # mean characters from which an unused column is asked about


@dataclass
class Origin:
    """The data's place as a configuration: a name, the values of a preset, and overrides."""

    name: str
    preset: dict[str, Any]
    overrides: list[str] = field(default_factory=list)


@dataclass
class MappingTrial:
    """What a mapping makes of the sampled rows: records, and why others are none or not decided."""

    fields: dict[str, str]
    records: list[Mapped] = field(default_factory=list)
    problems: Counter[str] = field(default_factory=Counter)


def describe_proposal(sample: Sample, origin: Origin) -> list[str]:
    """Returns what the rows would become, and what to paste for that."""
    if _has_ids_only(sample):
        return ["", translated_label("fields"), *IDS]
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in sample.rows:
        groups.setdefault(tuple(row.values), []).append(row)
    proposals = {columns: _propose(columns, rows) for columns, rows in groups.items()}
    lines = ["", translated_label("fields")]
    for columns, rows in sorted(groups.items(), key=lambda group: -len(group[1]))[:MOST_SHOWN]:
        lines += _describe(proposals[columns], columns, len(rows))
    if len(groups) > MOST_SHOWN:
        lines.append(f"  and {len(groups) - MOST_SHOWN} more sets of columns")
    found = [proposal.fields for proposal in proposals.values() if proposal.fields]
    same = len(found) == len(proposals) and all(fields == found[0] for fields in found)
    trial = _try(sample.rows, found[0] if same and found else {})
    if found:
        lines += _describe_trial(trial, sample)
    trial.problems.update(row.reason for row in sample.broken)
    return lines + paste(origin, trial, any(proposal.choices for proposal in proposals.values()))


def _has_ids_only(sample: Sample) -> bool:
    """Returns whether the rows name Software Heritage's blobs without containing their texts."""
    row = next((row.values for row in sample.rows), {})
    files = row.get("files")
    inner = files[0] if isinstance(files, list) and files and isinstance(files[0], dict) else row
    return "blob_id" in inner and not describe(inner).fields and not describe(inner).choices


def _propose(columns: tuple[str, ...], rows: list[Row]) -> Proposal:
    """Returns the reading of the rows with a set of columns, which fits at least one of them; if
    their names show none, that of a nested column or of a conversation.
    """
    proposal = describe(columns)
    if proposal.choices:
        return proposal
    if proposal.fields:
        fields = {key: _first_of_one(value, rows) for key, value in proposal.fields.items()}
        if _try(rows, fields).records:
            return Proposal(fields, unused=proposal.unused)
    nested = [choice for name in columns for choice in _nested(name, rows)]
    nested = [choice for choice in nested if _try(rows, choice).records]
    if len(nested) == 1:
        return propose(columns, nested[0])
    if nested:
        return Proposal(choices=nested, reason="several columns have texts or conversations inside")
    problems = _try(rows, proposal.fields).problems.most_common(1)
    reason = problems[0][0] if problems else "there is no row"
    texts = [name for name in sorted(columns) if _try(rows, {"content": name}).records]
    return Proposal(reason=reason, unused=texts)


def _first_of_one(written: str, rows: list[Row]) -> str:
    """Returns a column as it is written, or the first of it if it has lists of one text."""
    values = [value for row in rows if (value := row.values.get(written)) not in (None, "", [])]
    single = values and all(isinstance(value, list) and len(value) == 1 for value in values)
    single = single and not isinstance(values[0][0], dict)  # nor a message
    return f"{written}[0]" if single else written


def _nested(name: str, rows: list[Row]) -> Iterator[dict[str, str]]:
    """Yields the readings of a column: as a conversation, or of the fields of an object, or of a
    list's objects, by their names.
    """
    value = next((row.values[name] for row in rows if row.values[name]), None)
    if set(name) & set(".[]{}"):
        return
    if find_conversation(value, name) is not None:
        yield {"messages": name}
        return
    inner = value[0] if isinstance(value, list) else value
    if isinstance(inner, dict):
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


def _try(rows: list[Row], fields: dict[str, str]) -> MappingTrial:
    """Returns what the rows become. A mapping that is malformed makes nothing of them."""
    trial = MappingTrial(fields)
    try:
        mapping = compile_fields(fields, WHERE)
    except UserError as refusal:
        trial.problems[str(refusal)] = len(rows)
        return trial
    for row in rows:
        try:
            mapped = mapping.records(row.values)
        except UserError:
            trial.problems[UNDECIDED] += 1
            continue
        trial.records += [record for record in mapped if not record.problem]
        trial.problems.update(record.problem for record in mapped if record.problem)
    return trial


def _describe_trial(trial: MappingTrial, sample: Sample) -> list[str]:
    """Returns how many of the rows become records, the problems of the others, and languages."""
    good = trial.records
    lines = [f"  tried on {len(sample.rows):,} rows: {len(good):,} records"]
    common = trial.problems.most_common(MOST_SHOWN)
    lines += [f"    {count:,} without: {name}" for name, count in common]
    texts = [text_of(record) for record in good]
    lines.append(f"  language of the text: {language_shares(texts)}")
    programming = Counter(record.language for record in good if record.language)
    if programming:
        shares = ", ".join(f"{name} {count:,}" for name, count in programming.most_common(8))
        lines.append(f"  language by its column: {shares}")
    return lines + _left_out(sample, trial.fields)


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


def paste(origin: Origin, trial: MappingTrial, undecided: bool) -> list[str]:
    """Returns the configuration for the data: as overrides, and as a preset of its own.

    Args:
        undecided: whether one of several choices has to be added first.
    """
    if not trial.records and not undecided:
        return ["", "Nothing to paste: no row fits yet. Choose jsonl.fields by the columns above."]
    fields = trial.fields
    own = [as_override(WHERE, fields)] if fields else []
    overrides = [*origin.overrides, *own, "jsonl.min_bytes=1"]
    # A line feed as in templates, on one line: YAML would fold it over several.
    lines = {key: value.replace("\n", "\\n") for key, value in fields.items()}
    preset = {**origin.preset, "jsonl": {"fields": lines, "min_bytes": 1}}
    text = yaml.safe_dump(preset, allow_unicode=True, sort_keys=False, width=1000)
    warning = _warning(trial, undecided)
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


def _warning(trial: MappingTrial, undecided: bool) -> list[str]:
    if undecided:
        return ["# with the right fields: not every row fits yet"]
    failed = trial.problems.total()
    if not failed:
        return []
    return [
        f"# {failed:,} of {failed + len(trial.records):,} sampled rows do not fit, as told above; "
        "jsonl.max_lost_share says how many may"
    ]
