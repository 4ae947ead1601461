"""Checks the overrides of a sweep, and gives every swept key its values."""

import itertools
import re
from pathlib import Path

from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Glob, IntervalSweep, Override

from stages.compose.corrections import corrected, known_key, presets
from tohum.commands.sweep.overrides import parse, swept_values
from tohum.config.sections import nearest
from tohum.errors import UserError

MOST_VALUES = 1000  # of a key, and points of a grid: checking one takes a tenth of a second
PACKAGES = {
    "optuna": "-e '.[sweep]'",
    "ax": "hydra-ax-sweeper",
    "nevergrad": "hydra-nevergrad-sweeper",
    "joblib": "hydra-joblib-launcher",
    # without its dependencies: they are a cloudpickle of 2022, and boto3 for machines of AWS
    "ray": "-e '.[cluster]' && python -m pip install --no-deps hydra-ray-launcher==1.2.2",
    "rq": "hydra-rq-launcher",
    "submitit_local": "-e '.[sweep]'",
    "submitit_slurm": "-e '.[sweep]'",
}


def read_arguments(conf: Path, arguments: list[str]) -> list[Override]:
    """Returns the overrides of a command line, each glob as the presets that it chooses.

    Raises:
        UserError: one can't be read, names no section or no plugin that is installed, has no
            values, or is given twice.
    """
    overrides = [_parsed(conf, argument) for argument in arguments]
    given: dict[str, str] = {}
    for override in overrides:
        key, text = override.key_or_group, str(override.input_line)
        if key in given:
            raise UserError(f"'{given[key]}' and '{text}' set the same key: leave one of them out.")
        given[key] = text
        if key.partition(".")[0] in ("sweep", "hydra") or key.startswith("hydra/"):
            _check_own(conf, override)
        elif (known := known_key(conf, key)) != key:
            raise UserError(f"'{text}' names nothing in conf/. Did you mean '{known}'?")
    return [_plain(conf, override) for override in overrides]


def _parsed(conf: Path, argument: str) -> Override:
    try:
        return parse([argument])[0]
    except UserError as refusal:
        plain = re.sub(r"\s*=\s*", "=", argument.strip().lstrip("-"), count=1).rstrip(",")
        for meant in (plain, corrected(conf, [plain])[0]):
            try:
                parse([meant])
            except UserError:
                continue
            raise UserError(f'{refusal} Did you mean "{meant}"?') from None
        raise


def _check_own(conf: Path, override: Override) -> None:
    """Checks an override of Hydra or of the sweep itself, of which none can be swept."""
    key, text = override.key_or_group, override.input_line
    if key in ("sweep", "hydra", "hydra.launcher", "hydra.sweeper"):
        raise UserError(f"'{text}' replaces a whole section: set its keys, as in {key}.<key>=...")
    if override.is_sweep_override() and ("/" in key or key.startswith("sweep.")):
        raise UserError(f"{key} has several values, expected one.")
    if key not in ("hydra/launcher", "hydra/sweeper"):
        return
    name, known = str(override.value()), _installed(conf, key)
    if name in known:
        return
    if name in PACKAGES:
        raise UserError(
            f"{text} needs a package that is not installed: python -m pip install -c "
            f"constraints.txt {PACKAGES[name]}"
        )
    raise UserError(f"{key} has no '{name}'.{nearest(name, known)}")


def _installed(conf: Path, group: str) -> list[str]:
    with initialize_config_dir(config_dir=str(conf.resolve()), version_base="1.3"):
        options = GlobalHydra.instance().config_loader().get_group_options(group)
    return sorted(options)


def _plain(conf: Path, override: Override) -> Override:
    """Returns an override with presets for a glob, and without the plus that adds a key: each is
    there already.
    """
    if override.is_add():
        forced = "++" if "." in override.key_or_group else ""
        (override,) = parse([forced + str(override.input_line).lstrip("+")])
    value = override.value()
    if not isinstance(value, Glob):
        return override
    key, text = override.key_or_group, override.input_line
    names = presets(conf, key)
    if not names:
        raise UserError(f"'{text}': glob chooses presets, and conf/ has none for '{key}'.")
    chosen = value.filter(names)
    if not chosen:
        raise UserError(f"'{text}' chooses no preset. There are: {', '.join(names)}.")
    return parse([f"{key}={','.join(chosen)}"])[0]


def axes(overrides: list[Override], search: bool) -> dict[str, list[str]]:
    """Returns the values of each key.

    Args:
        overrides: of keys of conf/.
        search: whether a sweeper chooses the values, so that an interval is allowed.

    Raises:
        UserError: a key has no values or, for a grid, too many.
    """
    found = {}
    for override in overrides:
        key, text = override.key_or_group, override.input_line
        if isinstance(override.value(), IntervalSweep) and not search:
            raise UserError(
                f"'{text}': an interval has no end of values. Name them ({key}=1,2,3 or "
                f"'{key}=range(1,9,step=2)'), or search with hydra/sweeper=optuna."
            )
        try:
            values = list(itertools.islice(swept_values(override), MOST_VALUES + 1))
        except (ValueError, OverflowError) as error:
            raise UserError(f"'{text}' has no values: {error}.") from None
        if not values:
            raise UserError(f"'{text}' has no values.")
        if len(values) > MOST_VALUES and not search:
            raise UserError(
                f"'{text}' has more than {MOST_VALUES:,} values: give a larger step, or search "
                "with hydra/sweeper=optuna."
            )
        found[key] = values
    return found
