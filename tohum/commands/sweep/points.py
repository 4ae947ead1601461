"""Runs one point of a sweep: its configuration, its experiment, and its outcome."""

import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import mean, stdev

from filelock import FileLock, Timeout

from tohum.commands.sweep.experiment import Experiment, point_lock
from tohum.commands.sweep.overrides import parse, point_hash, point_name, without
from tohum.commands.sweep.plan import LENGTH, Plan, composed
from tohum.commands.sweep.repository import find_experiment, has_ref, read_metrics
from tohum.errors import UserError
from tohum.files import write_json
from tohum.translation import SOURCE_LANGUAGE

SEED_KEY = "train.seed"
NOT_FOR_DVC = ("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE")  # it refuses to commit where one is set

log = logging.getLogger(__name__)


@dataclass
class Outcome:
    """The outcome of a point. The measures are None if it failed or did not get that far."""

    swept: dict[str, str]
    name: str
    state: str  # ran, found (done before) or failed
    seconds: float = 0.0
    vocab_size: int | None = None
    bytes_per_token: float | None = None
    bits_per_byte: float | None = None
    error: str | None = None
    steps: int | None = None
    tokens: int | None = None  # that the training saw
    text_bytes: int | None = None  # of which they are, by the bytes per token of the training split
    by_seed: tuple[float, ...] = ()  # what is compared, of each training
    completion: dict[str, float] = field(default_factory=dict)  # the model's figures, by measure

    @property
    def deviation(self) -> float | None:
        """The standard deviation of what is compared over several seeds."""
        return stdev(self.by_seed) if len(self.by_seed) > 1 else None

    def value(self, measure: str) -> float | None:
        """Returns a measure that a sweep can compare."""
        if measure in ("bytes_per_token", "bits_per_byte"):
            return self.bytes_per_token if measure == "bytes_per_token" else self.bits_per_byte
        return self.completion.get(measure)

    def __str__(self) -> str:
        return " ".join(f"{key}={value}" for key, value in self.swept.items()) or "the point"


def run_point(plan: Plan, overrides: list[str]) -> Outcome:
    """Runs the point that Hydra asks for, after running once what it shares with others.

    A failure is an outcome too: the other points continue.
    """
    keys = {text: item.key_or_group for text, item in zip(overrides, parse(overrides), strict=True)}
    swept = {keys[text]: text.partition("=")[2] for text in overrides if text not in plan.fixed}
    every = [*without(plan.fixed, swept), *(f"{key}={value}" for key, value in swept.items())]
    try:
        _require_running(plan)
        composed(plan.conf, tuple(every))
        lead = _lead(plan, every, swept) if plan.multirun else None
        if lead is not None:
            _run_alone(plan, lead)
        trainings = _trainings(plan, _budgeted(plan, every, swept), swept)
        outcome = _mean([_outcome(plan, each, swept) for each in trainings], plan.measure)
    except UserError as error:
        name = point_name(swept, point_hash(every))
        outcome = Outcome(swept, name, "failed", error=str(error))
    with _lock(plan, outcome.name):
        write_json(plan.outcomes / f"{outcome.name}.json", asdict(outcome))
    return outcome


def _require_running(plan: Plan) -> None:
    """Checks that this machine sees the lock that the sweep's own process holds: points on several
    machines exclude one another by such locks, as DVC's do.

    Raises:
        UserError: it doesn't, or the sweep has ended and left this point in a queue.
    """
    try:
        with plan.lock.acquire(timeout=0):
            raise UserError(
                f"{socket.gethostname()} could take the lock {plan.lock.lock_file}, which the "
                "sweep holds as long as it runs. Either the sweep was ended, and the same command "
                "goes on; or locks on this file system don't reach other machines, whose points "
                "would overwrite one another: mount it so that flock does (docs/cluster.md)."
            )
    except Timeout:
        return


def _experiment(plan: Plan, overrides: list[str], swept: dict[str, str], until: str) -> Experiment:
    """Returns the experiment for checked values: an existing one, however they were written, or a
    new one.
    """
    values = composed(plan.conf, tuple(overrides))
    digest = point_hash([values, until, plan.baseline, plan.code, plan.corpus])
    name = find_experiment(plan.root, plan.baseline, digest) or point_name(swept, digest)
    return Experiment(name, until, tuple(overrides), plan.baseline, plan.code)


def _trainings(plan: Plan, overrides: list[str], swept: dict[str, str]) -> list[Experiment]:
    """Returns the experiments of a point, one for each seed."""
    if plan.seeds == 1:
        return [_experiment(plan, overrides, swept, plan.until)]
    first = composed(plan.conf, tuple(overrides))["train"]["seed"]
    others = without(overrides, [SEED_KEY])
    return [
        _experiment(plan, [*others, f"{SEED_KEY}={seed}"], {**swept, SEED_KEY: seed}, plan.until)
        for seed in map(str, range(first, first + plan.seeds))
    ]


def _budgeted(plan: Plan, overrides: list[str], swept: dict[str, str]) -> list[str]:
    """Returns the overrides with the steps that train on `plan.bytes` of text with this point's
    tokenizer, whose bytes per token are known once the corpus is encoded.
    """
    if plan.bytes is None:
        return overrides
    shared = {key: value for key, value in swept.items() if _before_train(key)}
    others = without(overrides, swept.keys() - shared.keys())
    encoded = _experiment(plan, others, shared, "encode")
    _run_alone(plan, encoded)
    if not has_ref(plan.root, encoded.ref):
        raise UserError(json.loads(_record_path(plan, encoded).read_text(encoding="utf-8"))[1])
    split = read_metrics(plan.root, encoded.ref, "encode")["train"]
    tokens = composed(plan.conf, tuple(overrides))["train"]["tokens_per_step"]
    steps = max(1, round(plan.bytes * split["tokens"] / split["bytes"] / tokens))
    return [*without(overrides, LENGTH), f"train.steps={steps}", "train.minutes=null"]


def _mean(trainings: list[Outcome], measure: str) -> Outcome:
    """Returns the outcome of a point from its trainings: the mean, under the name of the first."""
    failed = next((outcome for outcome in trainings if outcome.error), None)
    if failed is not None:
        return failed
    bits = [outcome.bits_per_byte for outcome in trainings if outcome.bits_per_byte is not None]
    compared = [value for outcome in trainings if (value := outcome.value(measure)) is not None]
    measures = trainings[0].completion
    return replace(
        trainings[0],
        state="ran" if any(outcome.state == "ran" for outcome in trainings) else "found",
        seconds=sum(outcome.seconds for outcome in trainings),
        bits_per_byte=mean(bits) if bits else None,
        by_seed=tuple(compared) if bits else (),
        completion={key: mean(each.completion[key] for each in trainings) for key in measures},
    )


def _lead(plan: Plan, overrides: list[str], swept: dict[str, str]) -> Experiment | None:
    """Returns the tokenizer point with the longest list of merges, of which this point's is a
    prefix: it counts the pretokens and trains, and the others cut its list.
    """
    corner = {key: value for key, value in plan.corner.items() if key in swept}
    values = [f"{key}={value}" for key, value in corner.items()]
    shared = {key: value for key, value in {**swept, **corner}.items() if _before_encode(key)}
    try:
        return _experiment(plan, [*without(overrides, corner), *values], shared, "tokenizer")
    except UserError:  # the values don't go together: no lead
        return None


def _before_encode(key: str) -> bool:
    return _before_train(key) and key.partition(".")[0] != "encode"


def _before_train(key: str) -> bool:
    return key.partition(".")[0] not in ("model", "train", "evaluate")


def _run_alone(plan: Plan, lead: Experiment) -> None:
    """Runs the lead once per sweep, and one lead at a time: they share stages, and two points at
    once would count the corpus twice.
    """
    with FileLock(plan.folder / "lead.lock"):
        if not _record_path(plan, lead).exists() and not has_ref(plan.root, lead.ref):
            _run(plan, lead)


def _outcome(plan: Plan, experiment: Experiment, swept: dict[str, str]) -> Outcome:
    """Runs the point's experiment unless it is done, and reads its metrics."""
    outcome = Outcome(swept, experiment.name, "found")
    record = _record_path(plan, experiment)
    with _lock(plan, experiment.name):
        if not record.exists() and not has_ref(plan.root, experiment.ref):
            _run(plan, experiment)
    if record.exists():
        outcome.seconds, outcome.error = json.loads(record.read_text(encoding="utf-8"))
        outcome.state = "failed" if outcome.error else "ran"
    if outcome.error is None:
        try:
            _read_measures(plan, experiment, outcome)
        except UserError as error:
            outcome.state, outcome.error = "failed", str(error)
    return outcome


def _lock(plan: Plan, name: str) -> FileLock:
    """Returns the lock of a point. A search may ask for the same one several times at once."""
    return FileLock(plan.logs / f"{name}.lock")


def _read_measures(plan: Plan, experiment: Experiment, outcome: Outcome) -> None:
    tokenizer = read_metrics(plan.root, experiment.ref, "tokenizer")
    outcome.vocab_size = tokenizer["vocab_size"]
    outcome.bytes_per_token = tokenizer["bytes_per_token"]
    if plan.until == "evaluate":
        figures = read_metrics(plan.root, experiment.ref, "evaluate")
        split = read_metrics(plan.root, experiment.ref, "encode")["train"]
        outcome.bits_per_byte = figures["bits_per_byte"]
        outcome.completion = figures.get("completion", {}).get("model", {})
        if outcome.value(plan.measure) is None:
            raise UserError(
                f"{experiment.name} has no {plan.measure}. It is measured with "
                "evaluate.completion_places above 0, and middles with train.fim_share above 0."
            )
        outcome.steps, outcome.tokens = figures["steps"], figures["tokens"]
        outcome.text_bytes = round(figures["tokens"] * split["bytes"] / split["tokens"])


def _record_path(plan: Plan, experiment: Experiment) -> Path:
    """Returns the file with the seconds and the error of an experiment that this sweep ran."""
    return plan.logs / f"{experiment.name}.json"


def _run(plan: Plan, experiment: Experiment) -> None:
    log.info("running %s", experiment.name)
    began = time.monotonic()
    error = _start(plan, experiment)
    write_json(_record_path(plan, experiment), [round(time.monotonic() - began, 1), error])


def _start(plan: Plan, experiment: Experiment) -> str | None:
    """Runs the process of an experiment and returns its error, if any.

    It has its own process group, out of reach of signals to the sweep's. Ctrl-C is passed on.
    """
    lock = point_lock(experiment.name)
    try:
        lock.acquire(timeout=0)
        lock.release()
    except Timeout:
        log.info("waiting for %s, which an earlier sweep left running", experiment.name)
    path = plan.logs / f"{experiment.name}.log"
    with path.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tohum.commands.sweep.experiment", experiment.to_json()],
            cwd=plan.root,
            env={**_environment(), "TOHUM_LANG": SOURCE_LANGUAGE},  # its log is read below
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            process.wait()
        except BaseException:
            _interrupt(process)
            raise
    if sys.platform != "win32":  # where a file that is open can't be deleted
        Path(lock.lock_file).unlink(missing_ok=True)
    if process.returncode == 0 and has_ref(plan.root, experiment.ref):
        return None
    return f"{_reason(path.read_text(errors='replace'))} ({path.relative_to(plan.root)})"


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in NOT_FOR_DVC}


def _interrupt(process: "subprocess.Popen[bytes]") -> None:
    """Ends an experiment as Ctrl-C does: DVC puts back what it stashed."""
    if sys.platform == "win32":
        process.terminate()
    else:
        os.killpg(process.pid, signal.SIGINT)
    process.wait()


def _reason(output: str) -> str:
    """Returns the reason for a failure from an experiment's output: a stage's error or the last
    line.
    """
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"\w+: error: ", line)]
    if errors:
        return errors[-1].partition(": error: ")[2]
    return lines[-1] if lines else "it ended without a message"


def read_outcomes(plan: Plan) -> list[Outcome]:
    """Returns the outcomes of the points so far."""
    return [
        Outcome(**json.loads(path.read_text(encoding="utf-8")))
        for path in sorted(plan.outcomes.glob("*.json"), key=_written)
    ]


def _written(path: Path) -> tuple[int, str]:
    return path.stat().st_mtime_ns, path.name
