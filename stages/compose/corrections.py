"""Corrects overrides as people write them, so that a message can show the lines that were meant.

Hydra's grammar takes a path for several values at a comma, for a function at a parenthesis, and
refuses most letters outside of ASCII unless they are in quotes:
https://hydra.cc/docs/advanced/override_grammar/basic
"""

import difflib
import os
import re
import shutil
from pathlib import Path
from typing import Any

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString
from hydra.errors import HydraException

TO_PASTE = "Corrected, to paste into params.yaml:"
PATHS = re.compile(r"source(\.[\w-]+)?\.paths?")
QUOTED = ("'", '"')
QUOTES = str.maketrans({"“": '"', "”": '"', "„": '"', "\u2018": "'", "\u2019": "'", "\xa0": " "})
# What YAML makes of a backslash and a letter in double quotes: https://yaml.org/spec/1.2.2/#57
ESCAPES = {"\0": "0", "\a": "a", "\b": "b", "\t": "t", "\n": "n", "\v": "v", "\f": "f", "\r": "r"}
ESCAPES |= {"\x1b": "e", "\x85": "N", "\u2028": "L", "\u2029": "P"}
UNESCAPED = str.maketrans({control: f"\\{letter}" for control, letter in ESCAPES.items()})
VARIABLE = re.compile(r"\$(?P<plain>[A-Za-z_]\w*)|\$\{(?P<braced>\w+)\}|%(?P<windows>\w+)%")


def to_paste(overrides: list[str], said: str = TO_PASTE) -> str:
    """Returns the lines of params.yaml with these overrides, after a line that says so."""
    lines = yaml.safe_dump({"overrides": overrides}, allow_unicode=True, width=1_000_000)
    return f"{said}\n\n{lines}"


def corrected(conf: Path, overrides: list[str]) -> list[str]:
    """Returns the overrides as they were probably meant; those that are right as they are.

    Args:
        conf: the folder of the presets, which has the names of groups and presets.
        overrides: as they are in params.yaml.
    """
    joined = _joined(overrides)
    return [text if _is_right(conf, text) else _corrected(conf, text) for text in joined]


def misread(text: str) -> str | None:
    """Returns why an override would give another path than the one written, or None."""
    if not PATHS.fullmatch(text.partition("=")[0].lstrip("+").strip()):
        return None
    if control := next((letter for letter in text.strip(" \n") if letter in ESCAPES), None):
        return f"YAML makes {control!r} of \\{ESCAPES[control]} in double quotes"
    override = parsed(text)
    if override is None or override.is_sweep_override():
        return None
    value: Any = override.value()
    values = value if isinstance(value, list) else [value]
    for written, one in zip(_elements(_value(text)), values, strict=False):
        if written[:1] not in QUOTED and _changed(written, str(one)):
            return f"without quotes, Hydra reads {written} as {one}"
        if _expanded(str(one)) != str(one):
            return "variables of the environment are not replaced"
    return None


def parsed(text: str) -> Override | None:
    """Returns an override as Hydra reads it; None if it can't."""
    try:
        return OverridesParser.create().parse_override(text)
    except HydraException:
        return None


def _joined(overrides: list[str]) -> list[str]:
    """Puts a path back together that YAML cut at a comma."""
    joined: list[str] = []
    for text in overrides:
        if joined and not re.search("[=~:]", text) and re.search(r"paths?=.*[/\\]", joined[-1]):
            joined[-1] += f", {text}"
        else:
            joined.append(text)
    return joined


def _is_right(conf: Path, text: str) -> bool:
    override = parsed(text)
    if override is None or override.is_sweep_override() or misread(text):
        return False
    key, value = str(override.key_or_group), override.value()
    if key in groups(conf):
        written = _value(text).strip("'\"")
        return not override.is_add() and _known_preset(conf, key, written) == written
    if PATHS.fullmatch(key):
        return isinstance(value, list) if key.endswith("s") else not isinstance(value, list | dict)
    return key.partition(".")[0] in groups(conf)


def _corrected(conf: Path, text: str) -> str:
    plain = text.strip("\ufeff \n").translate(QUOTES)
    if len(plain) > 1 and plain[0] in QUOTED and plain[0] == plain[-1]:  # as cmd.exe leaves them
        plain = plain[1:-1]
    plain = re.sub(r"^(-S\s+|--?(?=[A-Za-z]))", "", plain)
    key, equal, value = plain.partition("=")
    if not equal:
        key, equal, value = _partition(conf, plain)
    name = known_key(conf, key.strip().rstrip(":").strip())
    value = value.lstrip("=").strip(" ")
    if name in groups(conf):
        fixed = f"{name}={_known_preset(conf, name, value)}"
    else:
        fixed = f"{name}={_readable(name, value)}"
    override = parsed(fixed) if equal else None
    return text if override is None or override.is_sweep_override() else fixed


def _partition(conf: Path, text: str) -> tuple[str, str, str]:
    """Cuts `key: value` and `group preset`, which lack the equals sign."""
    found = re.fullmatch(r"([\w./@]+)\s*:\s*(.+)", text)
    if found is None:
        found = re.fullmatch(r"(\w+)\s+(\S+)", text)
        if found is None or found[1] not in groups(conf):
            return text, "", ""
    return found[1], "=", found[2]


def groups(conf: Path) -> list[str]:
    """Returns the names of the groups, which are those of the sections."""
    return sorted(path.name for path in conf.glob("*") if path.is_dir())


def presets(conf: Path, group: str) -> list[str]:
    """Returns the names of a group's presets."""
    paths = (conf / group).glob("*.yaml")
    return sorted(path.stem for path in paths if not is_leftover(path))


def is_leftover(path: Path) -> bool:
    """Whether an editor or a file manager left a file next to those of conf/."""
    return path.name.startswith(".")


def copy_conf(conf: Path, folder: Path) -> None:
    """Copies conf/ without leftovers, of which some are links that lead nowhere."""

    def leftovers(parent: str, names: list[str]) -> set[str]:
        return {name for name in names if is_leftover(Path(parent, name))}

    shutil.copytree(conf, folder, ignore=leftovers)


def known_key(conf: Path, key: str) -> str:
    """Returns a key whose section or group exists, if there is a similar one."""
    name = key.lstrip("+~")
    first, dot, rest = name.partition(".")
    first = _nearest(first, groups(conf))
    prefix = key[: len(key) - len(name)] if dot else ""  # every group has a preset to replace
    return f"{prefix}{first}{dot}{rest}"


def _known_preset(conf: Path, group: str, preset: str) -> str:
    if preset[:1] + preset[-1:] == "[]":
        names = [element.rpartition(":") for element in _elements(preset)]
        known = [f"{name}{colon}{_known_preset(conf, group, own)}" for name, colon, own in names]
        return preset if [*map("".join, names)] == known else f"[{','.join(known)}]"
    if re.search(r"[][,()]", preset):
        return preset
    name = preset.strip("'\"").replace("\\", "/").rpartition("/")[2]
    return _nearest(name.removesuffix(".yaml"), presets(conf, group))


def _nearest(name: str, known: list[str]) -> str:
    """Returns the known name that is most similar, whatever its case; else the name itself."""
    lowered = {each.lower(): each for each in known}
    close = difflib.get_close_matches(name.lower(), lowered, n=1)
    # in a short name, two letters in the wrong order are too far for difflib
    close = close or [each for each in lowered if sorted(each) == sorted(name.lower())]
    return name if name in known or not close else lowered[close[0]]


def _readable(key: str, value: str) -> str:
    """Returns a value as Hydra has to be given it."""
    text, is_path = f"{key}={value}", PATHS.fullmatch(key) is not None
    override = parsed(text)
    if not is_path and (override is not None or re.fullmatch(r"(\w+)\(.*\)", value)):
        return value
    if is_path and key.endswith("path"):
        return _quoted(value, is_path)
    if is_path and not value.startswith("["):
        value = f"[{value}]"
    if value[:1] + value[-1:] == "{}":
        pairs = [pair.partition(":") for pair in _elements(value)]
        return "{" + ", ".join(f"{key}: {_quoted(own.strip())}" for key, _, own in pairs) + "}"
    if value[:1] + value[-1:] == "[]":
        return "[" + ", ".join(_quoted(element, is_path) for element in _elements(value)) + "]"
    return _quoted(value, is_path)


def _quoted(written: str, is_path: bool = False) -> str:
    """Returns one value in quotes, unless it is read as it is without them."""
    text = _without_quotes(written)
    if is_path:
        text = _expanded(text.translate(UNESCAPED))
        if "\\" in text and ("/" not in text or re.match(r"[A-Za-z]:|\\\\", text)):
            text = text.replace("\\", "/")  # Windows takes both; here a backslash hides a quote
    override = parsed(f"a={text}")
    if override is not None and not override.is_sweep_override() and override.value() == text:
        return text
    quote = Quote.double if "'" in text and '"' not in text else Quote.single
    return QuotedString(text=text, quote=quote).with_quotes()


def _without_quotes(written: str) -> str:
    override = parsed(f"a={written}")
    opening = written[:1] if written[:1] in QUOTED else ""
    if opening and override is not None and isinstance(override.value(), str):
        return str(override.value())
    stray = '"' if written.count('"') == 1 else ""
    return written.removeprefix(opening).removesuffix(opening or stray)


def _expanded(text: str) -> str:
    """Replaces the variables of the environment that are set, as a shell would."""

    def value(found: re.Match[str]) -> str:
        name = found["plain"] or found["braced"] or found["windows"]
        return os.environ.get(name, found[0])

    return VARIABLE.sub(value, text)


def _changed(written: str, read: str) -> bool:
    """Whether Hydra reads an unquoted text as another; not where each backslash is doubled."""
    runs = re.findall(r"\\+", written)
    doubled = bool(runs) and all(len(run) % 2 == 0 for run in runs)
    return written != read and not (doubled and written.replace("\\\\", "\\") == read)


def _value(text: str) -> str:
    return text.partition("=")[2].strip(" \n")


def _elements(value: str) -> list[str]:
    """Returns the elements of a flat list or dictionary as they are written, or the one value."""
    if value[:1] + value[-1:] not in ("[]", "{}"):
        return [value]
    found = re.findall(r"\s*(\"[^\"]*\"|'[^']*'|[^,]+)\s*(?:,|$)", value[1:-1])
    return [element.strip() for element in found]
