"""Plans a sweep: checks what its command line adds to params.yaml before any point runs.

The plan keeps a copy of conf/ under `.work/sweep/`: DVC briefly stashes uncommitted changes as each
point starts, and a reader of conf/ would then see another configuration.
"""

import itertools
import math
import shutil
import tempfile
import time
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock
from hydra.core.override_parser.types import Override

from stages.compose.composition import compose, read_overrides
from stages.compose.corrections import TO_PASTE, copy_conf, corrected, to_paste
from stages.compose.corrections import parsed as parsed_override
from stages.compose.source_list import is_source_list
from tohum.commands.report.figures import MEASURES
from tohum.commands.sweep.axes import MOST_VALUES, axes, read_arguments
from tohum.commands.sweep.launchers import launcher_arguments
from tohum.commands.sweep.overrides import without
from tohum.commands.sweep.repository import (
    code_state,
    corpus_state,
    require_commit,
    require_tracked,
    unstashed,
)
from tohum.config.sections import limits, read_section
from tohum.errors import UserError
from tohum.workdir import project_root

CORNER = {"tokenizer.vocab_size": max, "tokenizer.min_frequency": min}
COMPLETION = tuple(MEASURES)  # of metrics/evaluate.json, in `completion.model`
DIRECTIONS = {
    "bytes_per_token": "maximize",
    "bits_per_byte": "minimize",
    **dict.fromkeys(COMPLETION, "maximize"),
}
LENGTH = ("train.steps", "train.minutes")
SEED = 0  # of a search: a resumed one asks for the same points again


@dataclass
class Sweep:
    """The section `sweep` of conf/sweep.yaml."""

    until: str = limits(choices=("tokenizer", "evaluate"))
    objective: str = limits(choices=("bits_per_byte", *COMPLETION))
    jobs: int | None = limits(minimum=1, maximum=1024)
    bytes: int | None = limits(minimum=1)
    minutes: float | None = limits(minimum=0.01)
    seeds: int = limits(minimum=1, maximum=100)

    def check(self, given: Collection[str]) -> None:
        """Raises a UserError if the values contradict each other or the command line's keys."""
        asked = {"bytes": self.bytes, "minutes": self.minutes, "seeds": self.seeds - 1}
        chosen = [f"sweep.{key}" for key, value in asked.items() if value]
        chosen += ["sweep.objective"] if self.objective != "bits_per_byte" else []
        if chosen and self.until == "tokenizer":
            raise UserError(f"{chosen[0]} compares trained models: add sweep.until=evaluate.")
        if self.bytes and self.minutes:
            raise UserError("sweep.bytes and sweep.minutes each end a training: leave one out.")
        for key in set(chosen) - {"sweep.objective"}:
            for own in ("train.seed",) if key == "sweep.seeds" else LENGTH:
                if own in given:
                    raise UserError(f"{key} sets {own} for each point: leave one of the two out.")

    @property
    def usually(self) -> int:
        """The number of points that run at once unless `jobs` says otherwise: most of a tokenizer
        point is DVC's own work on one core.
        """
        return 2 if self.until == "tokenizer" else 1


@dataclass(frozen=True)
class Plan:
    """What every point needs to know; it is sent to the launcher's processes, on any machine."""

    root: Path
    folder: Path
    multirun: bool
    until: str
    fixed: tuple[str, ...]  # overrides that all points share
    corner: dict[str, str]  # the tokenizer values with the longest list of merges
    baseline: str
    code: str
    corpus: dict[str, str]  # the hashes of data/raw in dvc.lock
    hydra: tuple[str, ...]  # the arguments that Hydra gets
    refused: tuple[str, ...] = ()  # points that the check refuses
    bytes: int | None = None  # text that each point trains on; None: the configured steps
    seeds: int = 1
    objective: str = "bits_per_byte"  # what is compared until evaluate

    @property
    def measure(self) -> str:
        """What the sweep compares."""
        return measure_of(self.until, self.objective)

    @property
    def conf(self) -> Path:
        """The copy of conf/ that the points are composed from."""
        return self.folder / "conf"

    @property
    def lock(self) -> FileLock:
        """The lock that the sweep's own process holds until its last point is done."""
        return FileLock(self.folder / "running.lock")

    @property
    def outcomes(self) -> Path:
        """Where each point stores its outcome."""
        return self.folder / "points"

    @property
    def logs(self) -> Path:
        """Where DVC's output of each experiment is, and a record of what this sweep ran."""
        return self.folder / "logs"


def measure_of(until: str, objective: str) -> str:
    """Returns what a sweep up to a stage compares; the objective is that of evaluate."""
    return "bytes_per_token" if until == "tokenizer" else objective


def make_plan(overrides: list[str], multirun: bool) -> Plan:
    """Returns the plan of a command line, with its folder under `.work/sweep`.

    Raises:
        UserError: an override cannot be read, or no point passes the check of the compose stage.
    """
    root = project_root()
    require_commit(root)  # first, since DVC would say so in its own words
    with unstashed(root):
        require_tracked(root)
        state = (*code_state(root), corpus_state(root))
        folder = _new_folder(root)
        try:
            return _planned(overrides, multirun, root, folder, *state)
        except UserError:
            shutil.rmtree(folder)
            raise


def _planned(
    overrides: list[str],
    multirun: bool,
    root: Path,
    folder: Path,
    baseline: str,
    code: str,
    corpus: dict[str, str],
) -> Plan:
    parsed = read_arguments(folder / "conf", overrides)
    sweep = _sweep(folder / "conf" / "sweep.yaml", parsed)
    of_hydra = [item for item in parsed if _section(item) == "hydra"]
    own = [item for item in parsed if _section(item) not in ("hydra", "sweep")]
    several = [item for item in own if item.is_sweep_override()]
    if several and not multirun:
        names = ", ".join(item.key_or_group for item in several)
        raise UserError(f"{names} has several values: add -m to sweep over them.")
    # In the table and the names. A list of sources is our own syntax, which Hydra can't read.
    shown = [item for item in (several if multirun else own) if not is_source_list(item)]
    swept = axes(shown, _is_search(of_hydra))
    base = without(_of_params(root), [item.key_or_group for item in own])
    sweep.check([item.key_or_group for item in own])
    fixed = [*base, *(_text(item) for item in own if item not in shown)]
    if sweep.minutes:
        fixed = [*without(fixed, LENGTH), "train.steps=null", f"train.minutes={sweep.minutes}"]
    refused, corner = _check(folder / "conf", fixed, swept, of_hydra)
    hydra = [
        *(["--multirun"] if multirun else []),
        *(text for text in fixed if "." not in text.partition("=")[0] and not _is_list(text)),
        *(_mergeable(_text(item)) for item in shown),
        *(_text(item) for item in of_hydra),
        *_search(of_hydra, measure_of(sweep.until, sweep.objective)),
        *(launcher_arguments(of_hydra, sweep.jobs, sweep.usually) if multirun else []),
    ]
    return Plan(
        root,
        folder,
        multirun,
        sweep.until,
        tuple(fixed),
        corner,
        baseline,
        code,
        corpus,
        tuple(hydra),
        tuple(refused),
        sweep.bytes,
        sweep.seeds,
        sweep.objective,
    )


def _of_params(root: Path) -> list[str]:
    overrides = read_overrides(root / "params.yaml")
    if not all(map(parsed_override, overrides)):
        meant = to_paste(corrected(root / "conf", overrides))
        raise UserError(f"params.yaml has an override that can't be read.\n{meant}")
    return overrides


def _section(override: Override) -> str:
    return override.key_or_group.replace("/", ".").partition(".")[0]


def _text(override: Override) -> str:
    assert override.input_line is not None
    return override.input_line


def _is_list(text: str) -> bool:
    override = parsed_override(text)
    return override is not None and is_source_list(override)


def _mergeable(text: str) -> str:
    """Lets Hydra itself set a value where the default has none, as of a source in a list, and put
    a dictionary there; compose checks it.
    """
    is_deep = text.partition("=")[0].count(".") > 1
    return f"++{text.lstrip('+')}" if (is_deep or "{" in text) and text[0] != "~" else text


def _new_folder(root: Path) -> Path:
    parent = root / ".work" / "sweep"
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=time.strftime("%Y-%m-%d_%H-%M-%S_"), dir=parent))
    for name in ("points", "logs"):
        (folder / name).mkdir()
    copy_conf(root / "conf", folder / "conf")
    return folder


def _sweep(path: Path, parsed: list[Override]) -> Sweep:
    values = yaml.safe_load(path.read_text(encoding="utf-8"))["sweep"]
    for override in parsed:
        if _section(override) == "sweep":
            values[override.key_or_group.partition(".")[2]] = override.value()
    return read_section("sweep", Sweep, values)


def _is_search(of_hydra: list[Override]) -> bool:
    """Returns whether a sweeper other than Hydra's own, which runs the whole grid, is set."""
    return any(
        item.key_or_group == "hydra/sweeper" and item.value() != "basic" for item in of_hydra
    )


def _search(of_hydra: list[Override], measure: str) -> list[str]:
    """Returns Optuna's arguments: which direction is better, and a seed.

    Raises:
        UserError: the given direction would search for the worst point.
    """
    given = {item.key_or_group: item.value() for item in of_hydra}
    if given.get("hydra/sweeper") != "optuna":
        return []
    better, asked = DIRECTIONS[measure], given.get("hydra.sweeper.direction")
    if asked not in (None, better):
        raise UserError(
            f"hydra.sweeper.direction is {asked!r}, but the best {measure} is found with "
            f"'{better}'. Leave it out: the sweep sets it."
        )
    added = [] if asked else [f"hydra.sweeper.direction={better}"]
    seeded = given.get("hydra/sweeper/sampler", "tpe") != "grid"
    if seeded and "hydra.sweeper.sampler.seed" not in given:
        added.append(f"hydra.sweeper.sampler.seed={SEED}")
    return added


def _check(
    conf: Path, fixed: list[str], swept: dict[str, list[str]], of_hydra: list[Override]
) -> tuple[list[str], dict[str, str]]:
    """Checks every point of a grid, or each value of a search, as the compose stage does.

    Returns what is refused and why, and the corner of the allowed points.

    Raises:
        UserError: every point is refused.
    """
    points = _one_at_a_time(swept) if _is_search(of_hydra) else _grid(swept)
    refused, allowed = [], []
    reason = ""
    for point in points:
        values = [f"{key}={value}" for key, value in point.items()]
        try:
            composed(conf, (*fixed, *values))
            allowed.append(point)
        except UserError as error:
            reason = reason or str(error)
            refused.append(f"{' '.join(values)}: {error}")
    if not allowed:
        raise UserError(f"no point can run: {reason}")
    corner = {}
    for key, choose in CORNER.items():
        numbers = [int(point[key]) for point in allowed if point.get(key, "").isdigit()]
        if numbers:
            corner[key] = str(choose(numbers))
    return refused, corner


@cache
def composed(conf: Path, overrides: tuple[str, ...]) -> dict[str, Any]:
    """Returns the checked values of a point, cached: composing takes 0.1 s, and each is needed more
    than once.

    Raises:
        UserError: the compose stage would refuse them.
    """
    try:
        return compose(conf, list(overrides))
    except UserError as refusal:  # the lines to paste into params.yaml are not for a sweep
        raise UserError(str(refusal).partition(f"\n{TO_PASTE}")[0]) from None


def _grid(swept: dict[str, list[str]]) -> list[dict[str, str]]:
    count = math.prod(map(len, swept.values()))
    if count > MOST_VALUES:
        raise UserError(
            f"the grid has {count:,} points, expected at most {MOST_VALUES:,}: name fewer values, "
            "or search with hydra/sweeper=optuna."
        )
    return [dict(zip(swept, values, strict=True)) for values in itertools.product(*swept.values())]


def _one_at_a_time(swept: dict[str, list[str]]) -> list[dict[str, str]]:
    """Returns a point for each word and for the ends of each range, with the first values of the
    other keys: a search may have more points than can be checked.
    """
    chosen = {
        key: [values[0], values[-1]] if _is_range(values) else values
        for key, values in swept.items()
    }
    first = {key: values[0] for key, values in swept.items()}
    return [
        first,
        *({**first, key: value} for key, values in chosen.items() for value in values[1:]),
    ]


def _is_range(values: list[str]) -> bool:
    return (
        len(values) > 2
        and all(value.isdigit() for value in values)
        and values == sorted(values, key=int)
    )
