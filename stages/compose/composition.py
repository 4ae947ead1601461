"""Composes the configuration with Hydra, checks it, and writes it as one plain YAML file.

DVC's own Hydra support stays off: it composes in `dvc exp run` but never in `dvc repro`.
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

from stages.compose import model_sizes
from stages.compose.checking import check
from stages.compose.corrections import corrected, is_leftover, misread, parsed, to_paste
from stages.compose.dvc_values import DIGEST, digest, refuse_other_keys
from stages.compose.params_text import meant_overrides
from stages.compose.refusals import read_all, refuse_unknown_preset
from stages.compose.source_list import SourceList, split_overrides
from tohum.config.loading import read_yaml
from tohum.errors import UserError
from tohum.files import atomic_write

HEADER = """\
# The whole effective configuration, written by `dvc repro compose`.
# Edit conf/ or params.yaml instead.
"""
FORBIDDEN = {
    "hydra": "it has no value outside Hydra's own runs",
    "oc.env": "its value would be written to params.lock.yaml: secrets leak, and results differ",
}


def read_overrides(path: Path) -> list[str]:
    """Returns the Hydra overrides that params.yaml asks for.

    Raises:
        UserError: the file is missing or holds something other than a list of strings under
            `overrides`.
    """
    if not path.is_file():
        raise UserError(
            f"{path} is missing. Restore it with `git checkout {path}`; it holds `overrides: []`."
        )
    text = _text(path)
    try:
        values = read_yaml(path, f"`git checkout {path}` restores it.")
    except UserError as error:
        raise UserError(f"{error}{_meant(path, text)}") from None
    overrides = values.get("overrides") if isinstance(values, dict) else None
    if isinstance(values, dict) and "overrides" not in values:
        refuse_other_keys(path, values, [])
    if not isinstance(overrides, list) or not all(isinstance(item, str) for item in overrides):
        raise UserError(
            f"{path}: overrides is {overrides!r}, expected a list of strings such as "
            f"[source=local, tokenizer.vocab_size=8192].{_meant(path, text)}"
        )
    refuse_other_keys(path, values, overrides)
    return overrides


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not UTF-8 ({error.reason} at byte {error.start}). Save it as UTF-8: in "
            "Notepad with 'Save as', in PowerShell with `-Encoding utf8`."
        ) from None


def _meant(path: Path, text: str) -> str:
    """Returns what to paste in place of a text that is no list of overrides, if it can be told."""
    meant = meant_overrides(text)
    right = None if meant is None else corrected(path.parent / "conf", meant)
    if right is not None and all(map(parsed, right)):
        return f"\n{to_paste(right)}"
    return ""


def compose(conf: Path, overrides: list[str]) -> dict[str, Any]:
    """Composes conf/config.yaml with the overrides and returns the checked, plain values.

    Raises:
        UserError: an unknown preset or key, an override that cannot be read, or a value that is not
            allowed; where it can be told what was meant, with the lines to paste.
    """
    try:
        return _checked(conf, overrides)
    except UserError as refusal:
        meant = corrected(conf, overrides)
        if meant == overrides or not _is_readable(conf, meant):
            raise
        raise UserError(f"{refusal}\n{to_paste(meant)}") from None


def _is_readable(conf: Path, overrides: list[str]) -> bool:
    try:
        _split(conf, overrides)
    except UserError:
        return False
    return True


def _split(conf: Path, overrides: list[str]) -> SourceList | list[str]:
    """Returns what `split_overrides` does, of overrides that name only what is in `conf`."""
    split = split_overrides(read_all(conf, overrides))
    if isinstance(split, SourceList):
        for preset in split.presets.values():
            refuse_unknown_preset(conf, "source", preset)
    return split


def _checked(conf: Path, overrides: list[str]) -> dict[str, Any]:
    for path in sorted(conf.rglob("*.yaml")):
        if not is_leftover(path):
            _refuse_unrepeatable(str(path), _text(path))
    for override in overrides:
        _refuse_unrepeatable(f"params.yaml: the override '{override}'", override)
        if reason := misread(override):
            raise UserError(f"the override {override!r} is not what it seems: {reason}.")
    split = _split(conf, overrides)
    if isinstance(split, SourceList):
        values = _mixed(conf, split)
    else:
        values = _composed(conf, split)
        own = _own_rules(values.get("source"))
        set_by_user = {key for key in own if _sets_any(split, f"jsonl.{key}")}
        if isinstance(values.get("jsonl"), dict):
            values["jsonl"].update({key: own[key] for key in own if key not in set_by_user})
    _settle_length(values.get("train"), overrides)
    check(values)
    return values


def _settle_length(train: Any, overrides: list[str]) -> None:
    """Makes what the user says of a run's length hold: a number of steps on every processor, and
    steps instead of a preset's minutes, or the other way round.
    """
    if not isinstance(train, dict):
        return
    names = {"steps", "bfloat16_steps", "minutes"}
    given = {name for name in names if _sets_any(overrides, f"train.{name}")}
    if any(train.get(name) is not None for name in given & {"steps", "minutes"}):
        train.update(dict.fromkeys(names - given))


def _sets_any(overrides: list[str], key: str) -> bool:
    return any(_sets(item, key) for item in overrides)


def _composed(conf: Path, overrides: list[str]) -> dict[str, Any]:
    model_sizes.register()
    try:
        with initialize_config_dir(config_dir=str(conf.resolve()), version_base="1.3"):
            composed = hydra_compose("config", overrides=[_settable(item) for item in overrides])
        values = OmegaConf.to_container(composed, resolve=True)
    except (HydraException, OmegaConfBaseException, yaml.YAMLError, ValueError) as error:
        # ValueError: Hydra's answer to an override such as `model=null`
        raise _refusal(overrides, error) from None
    except TypeError:  # Hydra's answer to an override such as `model=[tiny,null]`
        refused = ValueError("a list of presets holds something that is not the name of a preset")
        raise _refusal(overrides, refused) from None
    assert isinstance(values, dict)
    return {str(name): section for name, section in values.items()}


def _mixed(conf: Path, listed: SourceList) -> dict[str, Any]:
    """Composes each source of a list separately; its block `jsonl` goes to jsonl.sources."""
    values = _composed(conf, listed.rest)
    sources, rules = {}, {}
    for name, preset in listed.presets.items():
        source = _composed(conf, [f"source={preset}", *listed.own[name]]).get("source")
        rules[name] = _own_rules(source)
        sources[name] = source
    values["source"] = {"kind": "mix", "sources": sources}
    jsonl = values.get("jsonl")
    given = (jsonl.get("sources") or {}) if isinstance(jsonl, dict) else None
    if isinstance(jsonl, dict) and isinstance(given, dict):
        for name, own in given.items():
            rules[name] = {**rules.get(name, {}), **own} if isinstance(own, dict) else own
        jsonl["sources"] = {name: own for name, own in rules.items() if own != {}}
    return values


def _own_rules(source: Any) -> dict[str, Any]:
    """Removes the block `jsonl`, the rules its preset asks for, from a composed source."""
    if isinstance(source, dict) and isinstance(source.get("jsonl"), dict):
        own: dict[str, Any] = source.pop("jsonl")
        return own
    return {}


def _sets(override: str, key: str) -> bool:
    return re.match(rf"[+~]*{re.escape(key)}[.=]", override) is not None


def _refuse_unrepeatable(where: str, text: str) -> None:
    for resolver, why in FORBIDDEN.items():
        if re.search(rf"\$\{{\s*{re.escape(resolver)}\s*:", text):
            raise UserError(
                f"{where} uses '${{{resolver}:...}}', which is not allowed here: {why}."
            )


def _settable(override: str) -> str:
    """Lets Hydra set any key of a section, even an unknown one. Our own check then names the key
    that was probably meant, where Hydra would suggest adding it.
    """
    return f"++{override}" if re.match(r"[a-z_]+\.[\w.-]+=", override) else override


def _refusal(overrides: list[str], error: Exception) -> UserError:
    return UserError(f"conf/ and the overrides {overrides} do not compose: {_reason(error)}")


def _reason(error: Exception) -> str:
    cause = error.__cause__
    lines = [str(error).strip()] + ([str(cause).strip()] if cause else [])
    return "\n".join(dict.fromkeys(lines))


def write_lock_file(path: Path, values: dict[str, Any]) -> None:
    """Writes the values as YAML that says where they come from, with their hash."""
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=120)
    with atomic_write(path, "w") as file:
        file.write(f"{HEADER}{DIGEST}{digest(text)}\n{text}")
