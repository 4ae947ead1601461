"""Proposes which column has which role, by the columns' names: one reading, several, or none.

If there are several, the user has to choose; nothing is guessed.
"""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tohum.fields.names import (
    ASSISTANT,
    CHOSEN,
    CONTEXT,
    INPUT,
    INSTRUCTIONS,
    MESSAGES,
    PROVENANCE,
    SPEAKER,
    SYSTEM,
    TEXT,
    USER,
    find_roles,
    fold,
    listed,
)
from tohum.fields.selectors import columns_of

ROLE_KEYS = ("content", "user", "assistant", "system", "messages")
MOST_CHOICES = 8


@dataclass
class Proposal:
    """How the columns of a row can be read: `fields` is the only reading, `choices` are several.

    With neither, nothing fits; `reason` says why there is no single reading. `unused` are the
    columns that `fields` leaves out.
    """

    fields: dict[str, str] = field(default_factory=dict)
    choices: list[dict[str, str]] = field(default_factory=list)
    reason: str = ""
    unused: list[str] = field(default_factory=list)

    @property
    def reads(self) -> bool:
        """Whether there is a reading, or several."""
        return bool(self.fields or self.choices)


def describe(columns: Iterable[str]) -> Proposal:
    """Returns the mapping of these columns by their names, or the choices."""
    return propose(columns, {})


def propose(columns: Iterable[str], given: dict[str, str]) -> Proposal:
    """Completes the `given` fields: roles if none is given, and the provenance."""
    columns = list(columns)
    found = find_roles(columns)
    roles = {key: value for key, value in given.items() if key in ROLE_KEYS}
    readings = [roles] if roles else list(_readings(found))
    if not roles and (said := _said(readings, found)):
        return said
    provenance = list(_provenance(found, given))
    if not readings:
        return Proposal(reason=_unfit(columns, found), unused=columns)
    choices = [{**reading, **rest} for reading, rest in itertools.product(readings, provenance)]
    if len(choices) > 1:
        return Proposal(choices=choices[:MOST_CHOICES], reason=_rivals(found, choices))
    used = {column for value in choices[0].values() for column in columns_of(value)}
    return Proposal(choices[0], unused=[column for column in columns if column not in used])


def _said(readings: list[dict[str, str]], found: dict[str, list[str]]) -> Proposal | None:
    """Returns the choices for texts that somebody says, which stand beside the speaker."""
    texts = [reading["content"] for reading in readings if "content" in reading]
    if not texts or not found[SPEAKER]:
        return None
    text, speaker = texts[0], found[SPEAKER][0]
    reason = (
        f"'{speaker}' says whose words '{text}' has, so each row is one message. A conversation is "
        "a row with all of its messages, as {messages: [{role, content}, ...]}: join the rows of "
        "each, or take every message as a text of its own"
    )
    plain = [{"content": name} for name in texts]
    named = [{"content": f"{{{speaker}}}: {{{name}}}"} for name in texts]
    others = [reading for reading in readings if "content" not in reading]
    return Proposal(choices=(others + plain + named)[:MOST_CHOICES], reason=reason)


def _readings(found: dict[str, list[str]]) -> Iterator[dict[str, str]]:
    """Yields every way to read the columns as one of the two kinds of record."""
    systems = [{SYSTEM: name} for name in found[SYSTEM]] or [{}]
    for messages, system in itertools.product(found[MESSAGES], systems):
        yield {MESSAGES: messages, **system}
    pairs = list(_pairs(found))
    for pair, system in itertools.product(pairs, systems):
        yield {**pair, **system}
    if not pairs and not found[MESSAGES]:
        for chosen, system in itertools.product(found[CHOSEN], systems):
            yield {MESSAGES: chosen, **system}
    answers = found[ASSISTANT]
    if not pairs or answers:
        for text in found[TEXT]:
            yield {"content": text}
            if answers and not pairs:
                for answer in answers:
                    yield {USER: text, ASSISTANT: answer}


def _pairs(found: dict[str, list[str]]) -> Iterator[dict[str, str]]:
    """Yields every question with its answer. A text next to a question without one is the answer:
    {"prompt", "content"} and {"request", "response"} mean the same.
    """
    questions, inputs = (found[USER], found[INPUT]) if found[USER] else (found[INPUT], [])
    answers = found[ASSISTANT] or ([] if found[MESSAGES] else found[CHOSEN]) or found[TEXT]
    for question, answer in itertools.product(questions, answers):
        users = [f"{{{question}}}\n\n{{{extra}}}" for extra in inputs]
        if not inputs or fold(question) not in INSTRUCTIONS:
            users.append(question)
        for user in users:
            yield {USER: user, ASSISTANT: answer}
            for context in found[CONTEXT]:
                whole = user if user != question else f"{{{question}}}"
                yield {USER: f"{{{context}}}\n\n{whole}", ASSISTANT: answer}


def _provenance(found: dict[str, list[str]], given: dict[str, str]) -> Iterator[dict[str, str]]:
    keys = [key for key in PROVENANCE if key not in given and found[key]]
    known = {key: given[key] for key in PROVENANCE if given.get(key)}
    for names in itertools.product(*(found[key] for key in keys)):
        yield {**known, **dict(zip(keys, names, strict=True))}


def _unfit(columns: list[str], found: dict[str, list[str]]) -> str:
    names = listed(columns) or "none at all"
    if question := found[USER] or found[INPUT]:
        return f"'{question[0]}' is a question, but no answer is known among the columns {names}"
    if answer := found[ASSISTANT]:
        return f"'{answer[0]}' is an answer, but no question is known among the columns {names}"
    return f"no known column among {names}"


def _rivals(found: dict[str, list[str]], choices: list[dict[str, str]]) -> str:
    """Returns the columns that make the difference between the choices."""
    used = [{name for value in each.values() for name in columns_of(value)} for each in choices]
    everything = {name for one in used for name in one}
    rivals = [name for name in sorted(everything) if not all(name in one for one in used)]
    return f"{', '.join(repr(name) for name in rivals)} may or may not be meant"


def as_override(where: str, fields: dict[str, str]) -> str:
    """Returns the fields as an override of the configuration, ready to paste into a YAML list.

    A line feed is written as `\\n`, which selectors read as one.
    """
    items = ", ".join(f"{key}: {_quoted(value)}" for key, value in fields.items())
    whole = f"{where}={{{items}}}"
    return "'" + whole.replace("'", "''") + "'"


def _quoted(value: str) -> str:
    from hydra.core.override_parser.types import Quote, QuotedString  # workers rarely need it

    return QuotedString(text=value.replace("\n", "\\n"), quote=Quote.double).with_quotes()
