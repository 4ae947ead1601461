"""Refuses overrides that Hydra would refuse in words for who knows Hydra: with what is there."""

from pathlib import Path

from hydra.core.override_parser.types import Override

from stages.compose.corrections import groups, parsed, presets
from stages.compose.source_list import is_source_list
from tohum.config.sections import nearest
from tohum.errors import UserError


def read_all(conf: Path, overrides: list[str]) -> list[Override]:
    """Returns the overrides as Hydra reads them.

    Raises:
        UserError: one can't be read, has several values, or names a section or preset that is not
            in `conf`. A list of sources is for `split_overrides` to read.
    """
    read = [_read(text) for text in overrides]
    for override in read:
        _refuse_several(override)
        _refuse_unknown(conf, override)
    return read


def _read(text: str) -> Override:
    override = parsed(text)
    if override is None:
        raise UserError(
            f"the override {text!r} can't be read. It is a key, an equals sign and a value, such "
            "as tokenizer.vocab_size=8192; a text with spaces, commas or brackets is in quotes."
        )
    return override


def _refuse_several(override: Override) -> None:
    if override.is_sweep_override():
        key, _, values = str(override.input_line).lstrip("+").partition("=")
        raise UserError(
            f"{key} has several values, {values}: only `tohum sweep -m` tries one after another. "
            "Choose one; a list is in square brackets, a text with commas in quotes."
        )


def _refuse_unknown(conf: Path, override: Override) -> None:
    key, known = str(override.key_or_group), groups(conf)
    name = key.partition(".")[0]
    if name not in known:
        file = conf / f"{name}.yaml"
        if file.is_file():
            raise UserError(
                f"'{name}' is not part of what is composed: its values are those of {file}. "
                "Edit them there."
            )
        raise UserError(f"unknown section '{name}'.{nearest(name, known)}")
    if "." in key or override.is_delete() or is_source_list(override):
        return
    value = override.value()
    for preset in value if isinstance(value, list) else [value]:
        if isinstance(preset, str):
            refuse_unknown_preset(conf, key, preset)


def refuse_unknown_preset(conf: Path, group: str, preset: str) -> None:
    """Refuses a preset that is not in `conf`.

    Raises:
        UserError: it isn't.
    """
    known = presets(conf, group)
    if preset not in known:
        raise UserError(f"{group} has no preset {preset!r}.{nearest(preset, known)}")
