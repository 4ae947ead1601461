"""Turns a row with any columns into one of two kinds of record, a text or a conversation.

`jsonl.fields` says which column is which; the rest is found by conventional names (names.py),
separately for each set of columns: lines of one file may have {"prompt", "content"} or {"request",
"response"}.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tohum.config.sections import nearest
from tohum.errors import UserError
from tohum.fields.column_objects import rows_of_columns
from tohum.fields.conversation_shapes import find_conversation
from tohum.fields.messages import Message, complete, parse_messages, read_messages
from tohum.fields.names import PROVENANCE, listed
from tohum.fields.proposal import ROLE_KEYS, as_override, propose
from tohum.fields.scalars import Empty, Unfit, as_text
from tohum.fields.selectors import Getter, follow, get_value, is_null, opened, parse_steps, paths_of

KEYS = (*ROLE_KEYS, *PROVENANCE)
MOST_MAPPINGS = 10_000  # sets of columns that are remembered


@dataclass(slots=True)
class Mapped:
    """A future record, or the `problem` that prevents one; one of content and messages is set.

    `empty` says that there is no text in the row, so that nothing is lost with it.
    """

    content: str | None = None
    messages: list[dict[str, str]] | None = None
    path: str | None = None
    repo: str | None = None
    license: str | None = None
    language: str | None = None
    problem: str | None = None
    empty: bool = False


@dataclass
class ColumnMapping:
    """How the rows with one set of columns become records."""

    each: str | None  # the list whose elements are records
    fill: Callable[[dict[str, Any], Any, Mapped], None]
    provenance: list[tuple[str, Getter]]


class Fields:
    """The mapping of a source, made by `compile_fields`."""

    def __init__(self, given: dict[str, str], where: str) -> None:
        self.given = given
        self.where = where
        self._mappings: dict[tuple[str, ...], ColumnMapping | str] = {}

    def records(self, values: dict[str, Any]) -> list[Mapped]:
        """Returns the record of a row, or one for each element of its list.

        Raises:
            UserError: its columns can be read in several ways; the message lists the choices.
        """
        columns = tuple(values)
        mapping = self._mappings.get(columns)
        if mapping is None:
            mapping = self._mapping(columns)
        if isinstance(mapping, str):
            return [Mapped(problem=mapping)]
        if mapping.each is None:
            return self._columns(values, _record(mapping, values, None))
        elements = opened(values.get(mapping.each)) or follow(values, parse_steps(mapping.each))
        if not isinstance(elements, list) or not elements:
            empty = elements == [] or is_null(values, parse_steps(mapping.each))
            return [Mapped(problem=f"no element in '{mapping.each}'", empty=empty)]
        return [_record(mapping, values, element) for element in elements]

    def _columns(self, values: dict[str, Any], mapped: Mapped) -> list[Mapped]:
        """Returns the records of a row; if it is none, but a table of columns, of its rows."""
        if mapped.problem and (rows := rows_of_columns(values)):
            return [record for row in rows for record in self.records(row)]
        return [mapped]

    def decide(self, columns: tuple[str, ...]) -> "tuple[Fields, set[tuple[str, ...]]] | None":
        """Decides what is left open for rows that have all these columns; returns the mapping and
        the paths that it needs, by their steps. None if there is no single reading, or a column
        that it needs is missing.
        """
        fields = propose(columns, self.given).fields
        needed = set()
        for path in (path for value in fields.values() for path in paths_of(value)):
            outer, inner = (path.written, ()) if path.each is None else (path.each, path.steps)
            steps = (outer,) if outer in columns else parse_steps(outer)
            if steps[0] not in columns:
                return None
            # a list and its elements are one step
            needed.add(tuple(step for step in steps + inner if isinstance(step, str)))
        return (Fields({**self.given, **fields}, self.where), needed) if fields else None

    def _mapping(self, columns: tuple[str, ...]) -> ColumnMapping | str:
        proposal = propose(columns, self.given)
        if proposal.choices:
            lines = "\n".join(f"  {as_override(self.where, each)}" for each in proposal.choices)
            raise UserError(
                f"the columns {listed(columns)} can be read in several ways: "
                f"{proposal.reason}. Add the right one to `overrides` in params.yaml:\n"
                f"{lines}"
            )
        mapping = compile_mapping(proposal.fields) if proposal.fields else proposal.reason
        if len(self._mappings) >= MOST_MAPPINGS:
            self._mappings.clear()
        self._mappings[columns] = mapping
        return mapping


def _record(mapping: ColumnMapping, row: dict[str, Any], element: Any) -> Mapped:
    mapped = Mapped()
    try:
        for key, get in mapping.provenance:
            setattr(mapped, key, _provenance_text(get(row, element)))
        mapping.fill(row, element, mapped)
    except Unfit as unfit:
        mapped.problem = str(unfit)
        mapped.empty = isinstance(unfit, Empty)
    return mapped


def _provenance_text(value: Any) -> str | None:
    """Returns provenance as text: a list is joined, a scalar written out, the rest left out."""
    if isinstance(value, list):
        return "; ".join(item for item in value if isinstance(item, str)) or None
    try:
        return as_text(value, "") or None
    except Unfit:
        return None


def compile_mapping(fields: dict[str, str]) -> ColumnMapping:
    """Turns a complete mapping into functions.

    Raises:
        ValueError: a value is malformed.
    """
    provenance = [(key, get_value(fields[key])) for key in PROVENANCE if key in fields]
    each = next((path.each for value in fields.values() for path in paths_of(value)
                 if path.each is not None), None)  # fmt: skip
    if "content" in fields:
        return ColumnMapping(each, _fill_content(fields["content"]), provenance)
    if "messages" in fields:
        return ColumnMapping(
            each, _fill_messages(fields["messages"], fields.get("system")), provenance
        )
    return ColumnMapping(each, _fill_pair(fields), provenance)


def _fill_content(column: str) -> Callable[[dict[str, Any], Any, Mapped], None]:
    get = get_value(column)

    def fill(row: dict[str, Any], element: Any, mapped: Mapped) -> None:
        value = get(row, element)
        if type(value) is not str:
            value = as_text(value, column)
        if not value or value.isspace():
            raise _no_text(value, column, row, element)
        mapped.content = value

    return fill


def _fill_messages(
    column: str, system: str | None
) -> Callable[[dict[str, Any], Any, Mapped], None]:
    get, get_system = get_value(column), get_value(system) if system else None

    def fill(row: dict[str, Any], element: Any, mapped: Mapped) -> None:
        before = _optional(get_system(row, element), system) if get_system else None
        value = get(row, element)
        if value is None or value == "":
            raise _no_text(value, column, row, element)
        mapped.messages = read_messages(value, column, before)

    return fill


def _fill_pair(fields: dict[str, str]) -> Callable[[dict[str, Any], Any, Mapped], None]:
    user, assistant, system = fields["user"], fields["assistant"], fields.get("system")
    get_user, get_assistant = get_value(user), get_value(assistant)
    get_system = get_value(system) if system else None

    def fill(row: dict[str, Any], element: Any, mapped: Mapped) -> None:
        before = _optional(get_system(row, element), system) if get_system else None
        question, answer = get_user(row, element), get_assistant(row, element)
        if _is_plain(question) and _is_plain(answer):
            mapped.messages = [{"role": "system", "content": before}] if before else []
            mapped.messages.append({"role": "user", "content": question})
            mapped.messages.append({"role": "assistant", "content": answer})
            return
        asked, told = _turns("user", question, user), _turns("assistant", answer, assistant)
        if not asked or not told:
            missing = _no_text(question, user, row, element) if not asked else None
            missing = missing or _no_text(answer, assistant, row, element)
            raise missing if not asked and not told else Unfit(str(missing))
        # `chosen` may repeat the prompt
        whole = told if _begins_with_a_question(told) else asked + told
        mapped.messages = complete(whole, assistant, before)

    return fill


def _is_plain(value: Any) -> bool:
    """Returns whether a value is text, and surely not a conversation written as one."""
    return type(value) is str and value[:1] not in "[{" and not value.isspace()


def _turns(role: str, value: Any, column: str) -> list[Message]:
    """Returns what a prompt or its completion says: a text, or messages as TRL has them; nothing
    if it is empty.

    Raises:
        Unfit: it is something else.
    """
    if value == []:
        return []
    if not _is_plain(value):
        entries = find_conversation(value, column, role)
        if entries is not None:
            return parse_messages(entries, column)
        value = as_text(value, column)
    return [{"role": role, "content": value}] if value and not value.isspace() else []


def _begins_with_a_question(messages: list[Message]) -> bool:
    roles = [message["role"] for message in messages if message["role"] != "system"]
    return bool(roles) and roles[0] == "user"


def _optional(value: Any, column: str | None) -> str | None:
    text = as_text(value, column or "")
    return text if text and not text.isspace() else None


def _no_text(value: Any, written: str, row: dict[str, Any], element: Any) -> Unfit:
    """Returns why there is no text: it is empty, or not there."""
    paths = paths_of(written)
    missing = [path.written for path in paths if not _has(row, path.written)]
    if missing:
        return Unfit(f"no column '{missing[0]}' among {listed(row)}")
    if all(
        path.written in row or is_null(row if path.each is None else element, path.steps)
        for path in paths
    ):
        return Empty(f"no text in '{written}'")
    return Unfit(f"no text in '{written}'")


def _has(row: dict[str, Any], written: str) -> bool:
    return written in row or parse_steps(written.partition("[]")[0])[0] in row


def compile_fields(fields: dict[str, str], where: str) -> Fields:
    """Checks the configured fields and returns their mapping; without any, it is automatic.

    Args:
        where: their key in the configuration, for messages: jsonl.fields.

    Raises:
        UserError: a key is unknown, a value is malformed, or they make no record; it names the key.
    """
    for key, value in fields.items():
        if key not in KEYS:
            raise UserError(f"unknown key '{where}.{key}'.{nearest(key, list(KEYS))}")
        if not value and key in PROVENANCE:
            continue
        try:
            paths_of(value)
        except ValueError as error:
            raise UserError(f"{where}.{key}: {error}.") from None
    _check_roles(set(fields) & set(ROLE_KEYS), where)
    _check_lists(fields, where)
    return Fields(dict(fields), where)


def _check_lists(fields: dict[str, str], where: str) -> None:
    lists: dict[str, set[str]] = {}
    for key, value in fields.items():
        for path in paths_of(value) if value else []:
            if path.each is not None:
                lists.setdefault(f"{path.each}[]", set()).add(key)
    if len(lists) > 1:
        raise UserError(
            f"{where} goes through several lists ({', '.join(sorted(lists))}): expected one, "
            "whose elements are the records."
        )
    if lists and not set.union(*lists.values()) & set(ROLE_KEYS):
        raise UserError(
            f"{where} takes only provenance from {next(iter(lists))}: expected the text from its "
            "elements too."
        )


def _check_roles(roles: set[str], where: str) -> None:
    allowed: tuple[set[str], ...] = ({"content"}, {"messages"}, {"messages", "system"})
    allowed += ({"user", "assistant"}, {"user", "assistant", "system"}, set())
    if roles not in allowed:
        raise UserError(
            f"{where} has {', '.join(sorted(roles))}, expected content (a text), user and "
            "assistant (a conversation of one exchange) or messages (a whole one); system may go "
            "with either of the conversations."
        )
