"""The help and the errors of a command line in the user's language, argparse's own words too."""

import argparse
import re
import sys
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from tohum.translation import translated, translated_label

PLACEHOLDERS = re.compile(
    r"\b(?:CLUSTER|COMMAND|FILE|FOLDER|HOST|JOBS|KEY|NAME|NUMBER|PARENT|PATH|PICTURE|REMOTE|ROWS"
    r"|SECONDS|SIZE|TARGET|TEXT|TRIES|VALUE)\b"
)


class TranslatedHelp(argparse.RawDescriptionHelpFormatter):
    """Formats a help; its description and epilog are given translated."""

    def add_usage(
        self,
        usage: str | None,
        actions: Iterable[argparse.Action],
        groups: Iterable[Any],
        prefix: str | None = None,
    ) -> None:
        """Adds the usage of a command."""
        prefix = translated("usage: ") if prefix is None else prefix
        super().add_usage(usage and _placed(usage), actions, groups, prefix)

    def start_section(self, heading: str | None) -> None:
        """Begins a section, such as that of the options."""
        super().start_section(heading and translated(f"{heading}:").removesuffix(":"))

    def _metavar_formatter(
        self, action: argparse.Action, default_metavar: str
    ) -> Callable[[int], tuple[str, ...]]:
        given = super()._metavar_formatter(action, default_metavar)
        return lambda size: tuple(word and _placed(word) for word in given(size))

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help and translated(action.help)


class TranslatedParser(argparse.ArgumentParser):
    """A parser whose help and errors are translated, and those of its commands."""

    def __init__(self, *values: Any, **named: Any) -> None:
        super().__init__(*values, **{"formatter_class": TranslatedHelp, **named})

    def error(self, message: str) -> NoReturn:
        """Prints the usage and what is wrong with the command line, and exits."""
        self.print_usage(sys.stderr)
        self.exit(2, translated(f"{self.prog}: error: {message}") + "\n")


def _placed(usage: str) -> str:
    """Returns a usage with the placeholders' words in the user's language."""
    return PLACEHOLDERS.sub(lambda word: translated_label(word[0]), usage)
