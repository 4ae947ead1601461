"""Hydra composes, the dataclasses check, and the result is one plain YAML file.

DVC's own Hydra support stays off: it composes in `dvc exp run` and never in `dvc repro`.
"""

import re
from pathlib import Path
from typing import Any

import yaml
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from stages.compose.checking import check
from tohum.errors import UserError
from tohum.files import atomic_write

HEADER = """\
# The whole effective configuration, written by `dvc repro compose`.
# Edit conf/ or params.yaml instead.
"""
SOURCE_LIST = re.compile(r"source=\[(.*)\]")
SOURCE_NAME = re.compile(r"[A-Za-z0-9_-]+")
FORBIDDEN = {
    "hydra": "it has no value outside Hydra's own runs",
    "oc.env": "its value would be written to params.lock.yaml: secrets leak, and results differ",
}


def read_overrides(path: Path) -> list[str]:
    """Returns the Hydra overrides that params.yaml asks for.

    Raises:
        UserError: the file is missing or holds something other than a list of strings.
    """
    if not path.is_file():
        raise UserError(
            f"{path} is missing. Restore it with `git checkout {path}`; it holds `overrides: []`."
        )
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not YAML: {error}") from None
    overrides = values.get("overrides") if isinstance(values, dict) else None
    if not isinstance(overrides, list) or not all(isinstance(item, str) for item in overrides):
        raise UserError(
            f"{path}: overrides is {overrides!r}, expected a list of strings such as "
            "[source=local, tokenizer.vocab_size=8192]."
        )
    return overrides


def compose(conf: Path, overrides: list[str]) -> dict[str, Any]:
    """Composes conf/config.yaml with the overrides and returns the checked, plain values.

    Raises:
        UserError: an unknown preset or key, an override that cannot be read, or a value that is not
            allowed.
    """
    for path in sorted(conf.rglob("*.yaml")):
        _refuse_unrepeatable(str(path), path.read_text(encoding="utf-8"))
    for override in overrides:
        _refuse_unrepeatable(f"params.yaml: the override '{override}'", override)
    members = _listed_sources(overrides)
    if members is None:
        values = _composed(conf, overrides)
        own = values["source"].pop("jsonl", {}) if isinstance(values["source"], dict) else {}
        set_by_user = {key for key in own if any(_sets(item, f"jsonl.{key}") for item in overrides)}
        values["jsonl"].update({key: own[key] for key in own if key not in set_by_user})
    else:
        values = _mixed(conf, overrides, members)
    check(values)
    return values


def _composed(conf: Path, overrides: list[str]) -> dict[str, Any]:
    try:
        with initialize_config_dir(config_dir=str(conf.resolve()), version_base="1.3"):
            composed = hydra_compose("config", overrides=[_settable(item) for item in overrides])
        values = OmegaConf.to_container(composed, resolve=True)
    except (HydraException, OmegaConfBaseException, yaml.YAMLError, ValueError) as error:
        # ValueError: Hydra's answer to an override such as `model=null`
        raise UserError(
            f"conf/ and the overrides {overrides} do not compose: {_reason(error)}"
        ) from None
    assert isinstance(values, dict)
    return {str(name): section for name, section in values.items()}


def _listed_sources(overrides: list[str]) -> dict[str, str] | None:
    """Returns the preset of each source by its name, where `source=[...]` names several.

    `source=[packages,files]` names presets; `source=[code:local,qa:files]` gives them other names,
    so that one preset can serve twice.
    """
    listed = [match for item in overrides if (match := SOURCE_LIST.fullmatch(item.strip()))]
    if not listed:
        return None
    members: dict[str, str] = {}
    for item in filter(None, (part.strip() for part in listed[-1][1].split(","))):
        name, _, preset = item.partition(":")
        if not SOURCE_NAME.fullmatch(name) or name in members:
            raise UserError(
                f"source=[{listed[-1][1]}]: '{name}' is "
                + ("there twice" if name in members else "no name of letters, digits, _ and -")
                + ". Name each source once: source=[packages,files] or "
                "source=[mine:local,other:local]."
            )
        members[name] = preset.strip() or name
    return members


def _mixed(conf: Path, overrides: list[str], members: dict[str, str]) -> dict[str, Any]:
    """Composes each source of a list by itself; its block `jsonl` goes to jsonl.sources."""
    rest = [item for item in overrides if not re.match(r"[+~]*source[.=]", item)]
    # Before Hydra sees it: jsonl.sources.<name> may be set only once there is such a source.
    values = _composed(conf, rest)
    sources, rules = {}, {}
    for item in overrides:
        named = re.match(r"[+~]*source\.([\w-]+)", item)
        if named and named[1] not in members:
            raise UserError(f"the override '{item}' is for a source that is not in the list.")
    for name, preset in members.items():
        own = [
            re.sub(rf"source\.{re.escape(name)}\.", "source.", item, count=1)
            for item in overrides
            if re.match(rf"[+~]*source\.{re.escape(name)}\.", item)
        ]
        source = _composed(conf, [f"source={preset}", *own])["source"]
        rules[name] = source.pop("jsonl", {}) if isinstance(source, dict) else {}
        sources[name] = source
    given = values["jsonl"].get("sources") or {}
    for name, own_rules in given.items():
        rules[name] = {**rules.get(name, {}), **own_rules}
    values["source"] = {"kind": "mix", "sources": sources}
    values["jsonl"]["sources"] = {name: own for name, own in rules.items() if own}
    return values


def _sets(override: str, key: str) -> bool:
    return re.match(rf"[+~]*{re.escape(key)}[.=]", override) is not None


def _refuse_unrepeatable(where: str, text: str) -> None:
    for resolver, why in FORBIDDEN.items():
        if re.search(rf"\$\{{\s*{re.escape(resolver)}\s*:", text):
            raise UserError(
                f"{where} uses '${{{resolver}:...}}', which is not allowed here: {why}."
            )


def _settable(override: str) -> str:
    """Lets Hydra set a key of a section whether it exists or not: an unknown one then meets our own
    check, which names the key that was probably meant, where Hydra would advise to add it.
    """
    return f"++{override}" if re.match(r"[a-z_]+\.[\w.-]+=", override) else override


def _reason(error: Exception) -> str:
    cause = error.__cause__
    lines = [str(error).strip()] + ([str(cause).strip()] if cause else [])
    return "\n".join(dict.fromkeys(lines))


def write_lock_file(path: Path, values: dict[str, Any]) -> None:
    """Writes the values as YAML that says where they come from."""
    with atomic_write(path, "w") as file:
        file.write(HEADER)
        yaml.safe_dump(values, file, sort_keys=False, allow_unicode=True, width=120)
