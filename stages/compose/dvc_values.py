"""Values set in DVC's way, which no stage would read: refused, with the override to write instead.

`dvc exp run -S` adds keys to params.yaml beside `overrides`, edits params.lock.yaml, or replaces
the whole list of overrides.
"""

import hashlib
import json
import logging
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from hydra.core.override_parser.types import Quote, QuotedString

from tohum.config.sections import nearest
from tohum.dvc_lock import read_stages
from tohum.errors import UserError

DIGEST = "# sha256 of these values: "
MOST_SHOWN, LONGEST_SHOWN = 8, 60
PLAIN = re.compile(r"[A-Za-z_][\w./-]*", re.ASCII)  # a text that Hydra's grammar reads unquoted
WORDS = ("null", "true", "false", "nan", "inf")  # what it reads as something else

log = logging.getLogger(__name__)


def refuse_other_keys(path: Path, values: dict[str, Any], overrides: list[str]) -> None:
    """Checks that params.yaml has no key but `overrides`.

    Raises:
        UserError: it has; the message has the line that sets the same values.
    """
    others = {name: value for name, value in values.items() if name != "overrides"}
    if not others:
        return
    name = str(next(iter(others)))
    close = nearest(name, ["overrides"])
    if close.startswith(" Did"):
        raise UserError(f"{path}: unknown key '{name}'.{close}")
    wanted = [as_override(key, value) for key, value in _leaves(others)]
    raise UserError(
        f"{path} has values beside `overrides`, and nothing reads them: {_shown(wanted)}. Delete "
        f"them there, and write them as overrides:\n{_line(overrides, wanted)}\n"
        f"`dvc exp run -S` can't set them. `tohum sweep {_arguments(wanted)}` runs them as an "
        "experiment, on top of params.yaml."
    )


def digest(text: str) -> str:
    """Returns the hash of the values in the YAML of params.lock.yaml, whatever its layout."""
    canonical = json.dumps(yaml.safe_load(text), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()


def refuse_edits(path: Path, values: dict[str, Any], overrides: list[str]) -> None:
    """Checks that params.lock.yaml, if it isn't what is to be written, is what compose wrote.

    One that isn't YAML, or has lost the line with its hash, is replaced with a warning: it may come
    from a merge, or from an earlier version.

    Raises:
        UserError: values in it were edited; the message has the line that sets them.
    """
    try:
        text = path.read_text(encoding="utf-8")
        found = yaml.safe_load(text)
        written = re.search(rf"^{DIGEST}(\w+)$", text, re.M)
        if found == values or (written and written[1] == digest(text)):
            return
    except FileNotFoundError:
        return
    except (UnicodeDecodeError, yaml.YAMLError):
        found = None
    if not isinstance(found, dict):
        log.warning("%s is not YAML; it is written again from conf/ and params.yaml.", path)
        return
    before, now = dict(_leaves(found)), dict(_leaves(values))
    edited = [as_override(key, value) for key, value in before.items() if now.get(key, ()) != value]
    edited += [f"~{key}" for key in now if key not in before]
    if written is None:
        log.warning(
            "%s is not as this stage writes it; it is written again from conf/ and params.yaml, "
            "without: %s",
            path,
            _shown(edited),
        )
        return
    raise UserError(
        f"{path} was edited, but it is written from conf/ and params.yaml. There, these have other "
        f"values: {_shown(edited)}. Delete {path}, and to keep the edit write in params.yaml:\n"
        f"{_line(overrides, edited)}\n"
        f"Then run `dvc repro` again. `tohum sweep {_arguments(edited)}` runs it as an experiment."
    )


def warn_of_lost_source(dvc_lock: Path, overrides: list[str]) -> None:
    """Warns if the last run's overrides chose a source and these don't: `dvc exp run -S
    'overrides=[...]'` replaces the whole list.
    """
    compose = (read_stages(dvc_lock) or {}).get("compose", {})
    before = compose.get("params", {}).get("params.yaml", {}).get("overrides") or []
    if not any(map(_chooses_source, before)) or any(map(_chooses_source, overrides)):
        return
    lost = [override for override in before if override not in overrides]
    added = [override for override in overrides if override not in before]
    log.warning(
        "the overrides of the last run chose a source, and these don't, so the corpus is conf/'s "
        "default. Lost: %s. `dvc exp run -S 'overrides=[...]'` replaces the whole list; `tohum "
        "sweep %s` adds to it.",
        _shown(lost),
        _arguments(added or ["key=value"]),
    )


def _chooses_source(override: object) -> bool:
    return re.match(r"\s*\+*source\s*=", str(override)) is not None


def as_override(key: str, value: Any) -> str:
    """Returns the Hydra override that sets a key to a plain value."""
    return f"{key}={_value(value)}"


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_value(value[key])}" for key in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_value, value)) + "]"
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)
    text = str(value)
    if PLAIN.fullmatch(text) and text.lower() not in WORDS:
        return text
    return QuotedString(text=text, quote=Quote.single).with_quotes()


def _leaves(values: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(values, dict) and (values or not prefix):
        for name, value in values.items():
            yield from _leaves(value, f"{prefix}.{name}" if prefix else str(name))
    else:
        yield prefix, values


def _line(overrides: list[str], added: list[str]) -> str:
    keys = tuple(override.partition("=")[0] + "=" for override in added)
    kept = [override for override in overrides if not override.lstrip("+").startswith(keys)]
    return f"  overrides: {json.dumps([*kept, *added], ensure_ascii=False)}"


def _arguments(overrides: list[str]) -> str:
    return shlex.join(["sweep.until=evaluate", *overrides])


def _shown(overrides: list[str]) -> str:
    more = [f"and {len(overrides) - MOST_SHOWN} more"] if len(overrides) > MOST_SHOWN else []
    return ", ".join([*map(_shortened, overrides[:MOST_SHOWN]), *more]) or "nothing"


def _shortened(override: str) -> str:
    return override if len(override) <= LONGEST_SHOWN else f"{override[:LONGEST_SHOWN]}..."
