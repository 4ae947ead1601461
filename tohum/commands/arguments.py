"""Arguments of the form key=value: their help, from the commented defaults, and completion."""

import argparse
import contextlib
import io
import os
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from tohum.errors import UserError
from tohum.project import project_path
from tohum.translation import translated

OPTIONS_FILE = Path("conf/generate.yaml")  # for generate and serve


def add_overrides(
    parser: argparse.ArgumentParser, help: str, complete: Callable[..., list[str]]
) -> None:
    """Adds key=value arguments, completed by a function of what is typed so far."""
    overrides: Any = parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help=help)
    overrides.completer = complete


def add_keys(parser: argparse.ArgumentParser, path: Path, not_used: Collection[str]) -> None:
    """Adds the keys of a file of values of the project, with its comments as their help."""
    keys = commented_keys(project_path(path), not_used)
    if keys:
        parser.epilog = "\n".join([translated(f"keys, as in {path.as_posix()}:"), *keys.values()])

    def complete(prefix: str, **_: Any) -> list[str]:
        return [f"{key}=" for key in keys if key.startswith(prefix)]

    add_overrides(parser, f"a key of {path.as_posix()} and its value", complete)


def commented_keys(path: Path, not_used: Collection[str] = ()) -> dict[str, str]:
    """Returns the line of each top-level key of a YAML file, which ends in its comment; nothing if
    the file is missing. It does not parse the file, because help has to be instant.
    """
    if not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    named = {line.partition(":")[0]: _with_comment(line) for line in lines if line[:1].isalpha()}
    return {key: line for key, line in named.items() if key not in not_used}


def _with_comment(line: str) -> str:
    value, mark, comment = line.partition(" # ")
    return f"  {value}{mark}{translated(comment)}"


def key_values(overrides: Iterable[str], example: str) -> Iterator[tuple[str, str]]:
    """Yields the key and the value of each override, as text.

    Args:
        overrides: each key=value.
        example: how one is written, for the message.

    Raises:
        UserError: one is not key=value.
    """
    for override in overrides:
        key, equal, value = override.partition("=")
        if not equal:
            raise UserError(f"'{override}' is not key=value. Write, for example: {example}")
        yield key, value


def complete_for_hydra(prefix: str, **_: Any) -> list[str]:
    """Returns what Hydra's own completion offers for conf/sweep.yaml, asked as a shell would."""
    import hydra

    from stages.compose import model_sizes

    model_sizes.register()  # the values that are offered
    os.environ["COMP_LINE"] = f"tohum {prefix}"
    sys.argv = ["tohum", "--shell-completion", "query=bash"]
    conf = str(project_path(Path("conf")).resolve())
    with contextlib.redirect_stdout(io.StringIO()) as offered:
        hydra.main(version_base="1.3", config_path=conf, config_name="sweep")(lambda _: None)()
    return offered.getvalue().split()
