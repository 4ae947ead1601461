"""The console script `tohum`: one command line for everything around the pipeline.

A command is a module of tohum.commands: its docstring is its help, `add_arguments` defines its
arguments, and `run` does the work and returns the exit code, or None for 0. Slow imports (torch,
DVC, Hydra) belong in `run`, so that `--help` and shell completion are instant.
"""

import argparse
import difflib
import importlib
import logging
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any, NoReturn, Protocol, cast

from tohum.process import exit_code
from tohum.project import current_folder, enter_project, find_project, refuse_other_code
from tohum.streams import refuse_undecodable, set_up_streams, until_reader_leaves
from tohum.translated_help import TranslatedParser
from tohum.translation import set_up_logging, translated

COMMANDS = (
    "inspect",
    "estimate",
    "generate",
    "show",
    "serve",
    "export",
    "share",
    "sweep",
    "cluster",
    "report",
    "completion",
)
# the others run in the root of the project, from any of its folders; inspect reads what it is
# given, and share finds its project by .dvc
WITHOUT_PROJECT = ("completion", "inspect", "share")


class Command(Protocol):
    """A module of tohum.commands."""

    __doc__: str | None

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Adds the command's arguments, and to its help what the docstring leaves open."""

    def run(self, arguments: argparse.Namespace) -> int | None:
        """Does the work and returns the exit code."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs what the command line asks for and returns the exit code.

    0: done. 1: it failed, and the message says why. 2: argparse can't read the command line.
    130: interrupted. 141: whatever read the output has closed it.
    """
    set_up_streams()
    given = sys.argv[1:] if arguments is None else arguments
    return until_reader_leaves(lambda: _run_arguments(given))


def _run_arguments(arguments: Sequence[str]) -> int:
    parser = build_parser()
    if "_ARGCOMPLETE" in os.environ:  # the shell asks for completions
        import argcomplete

        argcomplete.autocomplete(parser, always_complete_options="long")
    unknown = next(iter(arguments), "-")
    if not unknown.startswith("-") and unknown not in COMMANDS:
        set_up_logging(logging.WARNING, "tohum: %(message)s")
        logging.error("error: unknown command '%s'.%s", unknown, _nearest(unknown))
        return 1
    parsed = _parse(parser, arguments)
    if parsed.version:
        from importlib.metadata import version

        print(f"tohum {version('tohum')}")
        return 0
    if parsed.name is None:
        parser.print_help()
        return 0
    signal.signal(signal.SIGTERM, _interrupt)
    return exit_code(parsed.name, lambda: _run(parsed), "the same command")


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of the complete command line."""
    modules = {
        name: cast(Command, importlib.import_module(f"tohum.commands.{name}")) for name in COMMANDS
    }
    listed = [
        f"  {name:<12}{translated((module.__doc__ or '').splitlines()[0]).rstrip('.')}"
        for name, module in modules.items()
    ]
    parser = TranslatedParser(
        "tohum",
        usage="tohum [-h] [--version] COMMAND ...",
        description="\n".join(
            [translated("The commands around the pipeline, which `dvc repro` runs:"), "", *listed]
        ),
        epilog=translated("`tohum COMMAND --help` lists a command's arguments, with examples."),
    )
    parser.add_argument("--version", action="store_true", help="print the version")
    parser.set_defaults(name=None)
    names = parser.add_subparsers(prog="tohum", help=argparse.SUPPRESS)
    for name, module in modules.items():
        own = names.add_parser(
            name,
            description=translated(module.__doc__ or ""),
        )
        own.set_defaults(name=name, run=module.run, parser=own)
        module.add_arguments(own)
    return parser


def _parse(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    """Returns the arguments; argparse itself stops at overrides on both sides of an option."""
    parsed, rest = parser.parse_known_args(arguments)
    if any(argument.startswith("-") for argument in rest) or (rest and "overrides" not in parsed):
        getattr(parsed, "parser", parser).error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:
        parsed.overrides += rest
    return parsed


def _run(parsed: argparse.Namespace) -> int | None:
    refuse_undecodable(getattr(parsed, "overrides", []))
    if parsed.name in WITHOUT_PROJECT:
        here = current_folder()
        refuse_other_code(find_project(here) or here)
    else:
        enter_project()
    return cast("int | None", parsed.run(parsed))


def _nearest(name: str) -> str:
    close = difflib.get_close_matches(name, COMMANDS, n=1)
    return f" Did you mean '{close[0]}'?" if close else f" Known: {', '.join(COMMANDS)}."


def _interrupt(*_: Any) -> NoReturn:
    raise KeyboardInterrupt
