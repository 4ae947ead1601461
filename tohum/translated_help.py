"""The help and the errors of a command line in the user's language, argparse's own words too."""

import argparse
import sys
from collections.abc import Iterable
from typing import Any, NoReturn

from tohum.translation import translated


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
        super().add_usage(usage, actions, groups, prefix)

    def start_section(self, heading: str | None) -> None:
        """Begins a section, such as that of the options."""
        super().start_section(heading and translated(f"{heading}:").removesuffix(":"))

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
