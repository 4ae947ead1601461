"""The messages of the program in the user's language: English as in the code, or Turkish.

Code writes a message in English, as an f-string where it has values. What prints one asks
`translated`, which finds it in the gettext catalogue `locale/<language>/LC_MESSAGES/tohum.mo`. The
catalogue names the values of an f-string: `{path} is missing.` A value stays as it is, unless it is
a message itself, as where one sentence is put into another. CONTRIBUTING.md says how to add one.

TOHUM_LANG chooses the language; without it, the system does, as gettext reads LANGUAGE, LC_ALL,
LC_MESSAGES and LANG. In English nothing is loaded.
"""

import functools
import logging
import os
import re
import string
import sys
from pathlib import Path
from typing import Any, NamedTuple

SOURCE_LANGUAGE = "en"
LANGUAGES = (SOURCE_LANGUAGE, "tr")
LOCALE = Path(__file__).parent / "locale"
CONTEXT = "{}\4{}"  # gettext's key of a message that is one only in a context
END = re.compile(r"(?<=[.:;,?!])\s+|\n\s*")  # of a part of a text
LEAD = re.compile(r"[\s,;:]*")  # of a part that is joined to the text before it
COUNT = re.compile(r"[\d.,]+ ")
MOST_PARTS = 10  # that are looked up as one message
# A message of a few letters says little: its values must be short, or any text would fit.
FEW_LETTERS = 4
ONE_WORD = r"\S+(?: [kMGT]?B| s)?"
FEW_WORDS = r"\S+(?: \S+){0,3}"
NUMBER = r"[\d.,]\S*"
COUNTED = r"[\d.,]+ \w+(?: \w+)?"  # what tohum.commands.printing.counted returns


def language() -> str:
    """Returns the language of messages: that of TOHUM_LANG, else the system's, else English."""
    chosen = os.environ.get("TOHUM_LANG")
    if chosen:
        return _known(chosen) or SOURCE_LANGUAGE
    places = [
        value for name in ("LC_ALL", "LC_MESSAGES", "LANG") if (value := os.environ.get(name))
    ]
    if places and places[0].partition(".")[0] in ("C", "POSIX"):  # for programs, as GNU reads it
        return SOURCE_LANGUAGE
    wanted = [*os.environ.get("LANGUAGE", "").split(":"), *places[:1]]
    if not any(wanted) and sys.platform in ("win32", "darwin"):
        import locale

        wanted = [locale.getlocale()[0] or ""]
    return next(filter(None, map(_known, wanted)), SOURCE_LANGUAGE)


def _known(name: str) -> str | None:
    """Returns the language of a locale: of tr_TR.UTF-8, or Turkish_Türkiye.1254 on Windows."""
    code = re.split("[_.@-]", name.strip().lower())[0]
    code = {"turkish": "tr", "english": "en"}.get(code, code)
    return code if code in LANGUAGES else None


def translated(text: str) -> str:
    """Returns a text of messages in the user's language: each that is known, the rest as it is."""
    catalogue = _catalogue()
    return catalogue.text(text) if catalogue else text


def translated_label(text: str) -> str:
    """Returns a label in the user's language: a word in the head of a table, a unit, a name of what
    goes on.
    """
    catalogue = _catalogue()
    return catalogue.value(text, "label") if catalogue else text


@functools.cache
def _catalogue() -> "Catalogue | None":
    chosen = language()
    if chosen == SOURCE_LANGUAGE:
        return None
    import gettext

    found = gettext.translation("tohum", LOCALE, [chosen], class_=gettext.GNUTranslations)
    return Catalogue(vars(found)["_catalog"])


class TranslatedFormatter(logging.Formatter):
    """Formats a record with its message in the user's language."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Returns the line of a record."""
        record.message = translated(record.message)
        return super().formatMessage(record)


def set_up_logging(level: int, form: str) -> None:
    """Logs to standard error in the user's language, unless logging is set up already."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(TranslatedFormatter(form))
    logging.basicConfig(level=level, handlers=[handler])


class Template:
    """A message with values between its literal parts."""

    def __init__(self, message: str, translation: str) -> None:
        self.translation = translation
        self.literals = [""]
        self.names: list[str] = []
        for literal, name, _, _ in string.Formatter().parse(message):
            self.literals[-1] += literal
            if name is not None:
                self.names.append(name)
                self.literals.append("")
        text = "".join(self.literals)
        self.weight = len(text)
        self.is_short = sum(map(str.isalpha, text)) <= FEW_LETTERS
        self.is_count = len(self.names) == 1 and re.fullmatch("(?: [A-Za-z]+){1,3}", text)

    def fits(self, text: str) -> bool:
        """Whether the literal parts are in a text, in their order."""
        first, *inner, last = self.literals
        if not (text.startswith(first) and text.endswith(last)):
            return False
        place, end = len(first), len(text) - len(last)
        for literal in inner:
            place = text.find(literal, place, end)
            if place < 0:
                return False
            place += len(literal)
        return place <= end

    def readings(self, text: str, as_value: bool) -> list[dict[str, str]]:
        """Returns the values that a text has: each as short as possible, and where that differs,
        each as long as possible.
        """
        patterns = (".*?", ".*")
        if self.is_count and not self.literals[0]:
            patterns = (NUMBER,) * 2
        elif self.is_short:
            patterns = (FEW_WORDS if as_value else ONE_WORD,) * 2
        found: list[dict[str, str]] = []
        for pattern in patterns:
            expression, seen = re.escape(self.literals[0]), set()
            for name, literal in zip(self.names, self.literals[1:], strict=True):
                value = COUNTED if name.startswith("counted") else pattern
                expression += f"(?P={name})" if name in seen else f"(?P<{name}>{value})"
                expression += re.escape(literal)
                seen.add(name)
            match = re.fullmatch(expression, text, re.DOTALL)
            if match and match.groupdict() not in found:
                found.append(match.groupdict())
        return found

    def keeps(self, name: str) -> bool:
        """Whether a value is in quotes or in a command: it stays as it is."""
        place = self.names.index(name)
        before, after = self.literals[place : place + 2]
        in_command = "".join(self.literals[: place + 1]).count("`") % 2 == 1
        return in_command or (before[-1:] in ("'", '"') and before[-1:] == after[:1])


class Told(NamedTuple):
    """A text in the language, and how many of its characters belonged to messages."""

    text: str
    known: int


class Catalogue:
    """The messages of one language, found by the English texts that they have become."""

    def __init__(self, messages: dict[Any, str]) -> None:
        self.whole: dict[str, str] = {}
        self.templates: dict[tuple[str, str], list[Template]] = {}  # by their outer letters
        self.told: dict[tuple[str, str | None], Told] = {}
        for message, translation in messages.items():
            if not isinstance(message, str) or not message or not translation:
                continue
            template = Template(message, translation) if "{" in message else None
            if template and template.names:
                first, last = template.literals[0], template.literals[-1]
                letters = (first[:1], "" if first else last[-1:])
                self.templates.setdefault(letters, []).append(template)
            else:
                plain = template.literals[0] if template else message
                self.whole[plain] = translation.format() if "{" in translation else translation

    def text(self, text: str) -> str:
        """Returns a text with each message in it translated, the longest first; there may be other
        text around them.
        """
        return self._told(text, None).text

    def value(self, text: str, name: str) -> str:
        """Returns the value of this name in a message: it may be a message, or a word, itself."""
        return self._value(text, name).text

    def _value(self, text: str, name: str) -> Told:
        name = name.rstrip("0123456789")
        found = self._message(text, name)
        if found is not None:
            return found
        count = COUNT.match(text)
        if count and count.end() < len(text):  # how often something was, perhaps a list of such
            first, *rest = text[count.end() :].split(", ")
            parts = [self._value(first, "count"), *(self._value(part, name) for part in rest)]
            known = sum(part.known for part in parts)
            if known:
                return Told(count[0] + ", ".join(part.text for part in parts), known)
        return self._told(text, name)

    def _told(self, text: str, name: str | None) -> Told:
        if (text, name) not in self.told:
            self.told[text, name] = self._newly_told(text, name)
        return self.told[text, name]

    def _newly_told(self, text: str, name: str | None) -> Told:
        core = text[LEAD.match(text).end() :].rstrip()  # type: ignore[union-attr]
        found = self._message(core, name)
        if found is None or "\n" in core:  # a message, or one after another in lines
            parts = self._parts(core, name)
            found = parts if found is None or parts.known > found.known else found
        if not found.known:
            return Told(text, 0)
        before, _, after = text.partition(core)
        if len(after) > 1 and not after.strip(" "):  # a column, padded to its width
            after = " " * max(1, len(text) - len(before) - len(found.text))
        return Told(before + found.text + after, found.known)

    def _message(self, text: str, name: str | None) -> Told | None:
        """Returns a text that is a message as a whole, also one whose full stop is off."""
        plain = self.whole.get(text) or self.whole.get(CONTEXT.format(name, text))
        if plain:
            return Told(plain, len(text))
        stopped = f"{text}."
        if stopped in self.whole:
            return Told(self.whole[stopped].removesuffix("."), len(text))
        found = self._filled(text, name is not None)
        if found is None and text[-1:] in (",", ";"):
            found = self._message(text[:-1], name)
            return found and Told(found.text + text[-1], found.known)
        if found is None and not text.endswith("."):
            found = self._filled(stopped, name is not None)
            return found and Told(found.text.removesuffix("."), found.known)
        return found

    def _filled(self, text: str, as_value: bool) -> Told | None:
        found = [
            self._with_values(template, values)
            for letters in dict.fromkeys([(text[:1], ""), ("", text[-1:]), ("", "")])
            for template in self.templates.get(letters, ())
            if template.fits(text)
            for values in template.readings(text, as_value)
        ]
        return max(found, key=lambda told: told.known, default=None)

    def _with_values(self, template: Template, values: dict[str, str]) -> Told:
        told = {
            name: Told(value, 0) if template.keeps(name) else self._value(value, name)
            for name, value in values.items()
        }
        known = template.weight + sum(value.known for value in told.values())
        texts = {name: value.text for name, value in told.items()}
        return Told(template.translation.format(**texts), known)

    def _parts(self, text: str, name: str | None) -> Told:
        """Returns a text of several parts, divided so that most of it are messages."""
        starts = [0, *(end.end() for end in END.finditer(text))]
        ends = [*(end.start() for end in END.finditer(text)), len(text)]
        if len(starts) == 1:
            return Told(text, 0)
        best = {len(starts): Told("", 0)}  # of the text from each part on
        for first in reversed(range(len(starts))):
            untold = Told(text[starts[first] : ends[first]], 0)
            choices = []
            for last in range(first, min(len(starts), first + MOST_PARTS)):
                if (first, last) != (0, len(starts) - 1):
                    found = self._message(text[starts[first] : ends[last]], name)
                    choices.append((last, found or untold) if last == first else (last, found))
            last, told = max(
                ((last, told) for last, told in choices if told is not None),
                key=lambda choice: choice[1].known + best[choice[0] + 1].known,
            )
            rest = best[last + 1]
            between = text[ends[last] : starts[last + 1]] if last + 1 < len(starts) else ""
            best[first] = Told(told.text + between + rest.text, told.known + rest.known)
        return best[0]
