"""Runs the data stages on two samples of the source, and training steps on what they made.

What is found is kept in `.work/estimate/`, by the machine and by the values that it depends on, so
that the second `tohum estimate` answers at once.
"""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import yaml

from stages.compose.composition import write_lock_file
from stages.compose.corrections import copy_conf
from tohum.commands.estimate.measurement import Measured, measure_stage, sample_environment
from tohum.commands.estimate.source_facts import SourceSample
from tohum.commands.estimate.source_samples import sample_of
from tohum.config.runtime import RUNTIME_FILE, load_runtime
from tohum.errors import UserError
from tohum.files import write_json
from tohum.foresight import folder_bytes
from tohum.formats.outcomes import LOST
from tohum.process import SPINS
from tohum.workdir import project_root

DATA_STAGES = ("download", "jsonl", "pretokens", "tokenizer", "encode")
LARGE_BYTES = 40_000_000  # of the source: five units, so that the stage jsonl starts its workers
WIDE_BYTES = 160_000_000  # for what only shows on many bytes: see WideRun
SMALL_SHARE = 0.2  # of that, for what a stage takes however little it reads
VERSION = 4  # of what is kept
BUSY = 1.0  # programs per core: more, and what is measured takes longer than it would alone


def _stages(kept: dict[str, Any]) -> dict[str, Measured]:
    return {name: Measured(**values) for name, values in kept["stages"].items()}


@dataclass
class SampleRun:
    """The data stages on one sample.

    Attributes:
        share: of the source.
        stages: what each took.
        raw: bytes of data/raw on disk; jsonl, tokens, pretokens, tokenizer likewise.
        text: bytes of the documents that are left.
        documents: how many.
        different: pretokens.
        encoded: tokens, of all documents.
        reached: entries of the vocabulary.
        tables: bytes of the parquet in data/raw.
        fetched: files that the rows of datasets named and the rules let through.
    """

    share: float
    stages: dict[str, Measured]
    raw: int
    jsonl: int
    pretokens: int
    tokenizer: int
    tokens: int
    text: int
    documents: int
    different: int
    encoded: int
    reached: int
    tables: int = 0
    fetched: int = 0

    @classmethod
    def read(cls, kept: dict[str, Any]) -> "SampleRun":
        """Returns what `asdict` made of one."""
        return cls(**{**kept, "stages": _stages(kept)})


@dataclass
class WideRun:
    """The stages up to pretokens on a sample that is so wide that jsonl has many units for each
    worker, and that its different pretokens tell how those of the source grow.

    Attributes:
        raw: bytes of data/raw on disk.
        text: bytes of the documents that are left.
        different: pretokens.
        stages: what each took.
    """

    raw: int
    text: int
    different: int
    stages: dict[str, Measured]


@dataclass
class Samples:
    """What was measured on the data of a source: on a small sample, on a large one, and by the
    first stages on a wide one, if there is so much.
    """

    small: SampleRun
    large: SampleRun
    wide: WideRun | None = None

    @classmethod
    def read(cls, kept: dict[str, Any]) -> "Samples":
        """Returns what `asdict` made of one."""
        wide = kept["wide"]
        if wide is not None:
            wide = WideRun(**{**wide, "stages": _stages(wide)})
        return cls(SampleRun.read(kept["small"]), SampleRun.read(kept["large"]), wide)


@dataclass
class Kept:
    """What was measured, and the load of the machine before."""

    load: float
    found: dict[str, Any]


def machine_key() -> str:
    """Returns what tells this machine from another, as far as speed goes."""
    return " ".join(
        (
            platform.system(),
            platform.machine(),
            platform.processor(),
            processor_name(),
            str(os.cpu_count()),
            str(psutil.virtual_memory().total >> 30),
        )
    )


def processor_name() -> str:
    """Returns the processor's name, where the system says it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if "model name" in line), "")


def kept(name: str, facts: Any, measure: Callable[[], dict[str, Any]]) -> Kept:
    """Returns what was measured for these facts on this machine before, or measures it now; once
    more if other programs had the processor then and no longer have it.
    """
    text = json.dumps([VERSION, machine_key(), facts], sort_keys=True, default=str)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    path = project_root() / ".work" / "estimate" / f"{name}-{digest}.json"
    load = other_load()
    if path.is_file():
        try:
            earlier = Kept(**json.loads(path.read_bytes()))
        except (ValueError, TypeError):  # cut off, or of another version
            earlier = None
        if earlier is not None and (earlier.load < BUSY or load >= earlier.load / 2):
            return earlier
    found = Kept(load, measure())
    write_json(path, asdict(found))
    return found


def other_load() -> float:
    """Returns how many programs want each core, over the last minute."""
    return round(psutil.getloadavg()[0] / (os.cpu_count() or 1), 2)


def run_samples(
    values: dict[str, Any], config: SimpleNamespace, folder: Path, large_bytes: int = LARGE_BYTES
) -> Samples:
    """Runs the data stages on a large and a small sample below `folder`.

    Raises:
        UserError: the source is not there, or a stage fails on the sample.
    """
    runs = {}
    for name, wanted in (("small", int(large_bytes * SMALL_SHARE)), ("large", large_bytes)):
        runs[name] = _run_sample(values, config, folder, name, wanted)
        if runs[name].share >= 1:  # all of it
            break
    large = runs.get("large", runs["small"])
    if "large" not in runs:
        (folder / "small").rename(folder / "large")
    wide = None
    if large.share <= large_bytes / WIDE_BYTES:
        wide = _run_wide(values, config, folder)
    return Samples(runs["small"], large, wide)


def run_large(
    values: dict[str, Any], config: SimpleNamespace, folder: Path, large_bytes: int = LARGE_BYTES
) -> SampleRun:
    """Runs the data stages on the large sample alone."""
    return _run_sample(values, config, folder, "large", large_bytes)


def _run_sample(
    values: dict[str, Any], config: SimpleNamespace, folder: Path, name: str, wanted: int
) -> SampleRun:
    return _run(*_sample_project(values, config, folder, name, wanted))


def _sample_project(
    values: dict[str, Any], config: SimpleNamespace, folder: Path, name: str, wanted: int
) -> tuple[Path, SourceSample]:
    """Makes a project for a sample of so many bytes; returns its root, and the sample."""
    root = folder / name
    sample = sample_of(config.source, wanted, folder / f"{name}-source")
    make_project(root, {**values, "source": sample.values})
    return root, sample


def _run_wide(values: dict[str, Any], config: SimpleNamespace, folder: Path) -> WideRun:
    root, _ = _sample_project(values, config, folder, "wide", WIDE_BYTES)
    stages = _measured(root, ("download", "jsonl", "pretokens"))
    wide = WideRun(
        raw=folder_bytes(root / "data/raw"),
        text=_json(root / "metrics/jsonl.json")["bytes"],
        different=_json(root / "data/pretokens/meta.json")["different_pretokens"],
        stages=stages,
    )
    shutil.rmtree(root)
    return wide


def make_project(root: Path, values: dict[str, Any]) -> None:
    """Makes a project for a sample: conf/, dvc.yaml and values that lose no document to a limit
    that holds for all of them.
    """
    root.mkdir(parents=True)
    copy_conf(Path("conf"), root / "conf")
    shutil.copy("dvc.yaml", root / "dvc.yaml")
    runtime = replace(load_runtime(), progress=False, samples=False, cluster=None)
    write_json(root / RUNTIME_FILE, asdict(runtime))
    rules = values["jsonl"]
    own = {name: {**rule, "max_lost_share": 1.0} for name, rule in rules["sources"].items()}
    jsonl = {**rules, "max_lost_share": 1.0, "sources": own}
    write_lock_file(root / "params.lock.yaml", {**values, "jsonl": jsonl})


def _measured(root: Path, stages: tuple[str, ...]) -> dict[str, Measured]:
    """Runs stages of a project in turn; the second part of jsonl begins with what it writes."""

    def written() -> bool:
        return any((root / ".work" / "jsonl").glob("*/jsonl/*.jsonl*"))

    return {
        stage: measure_stage(root, stage, written if stage == "jsonl" else lambda: False)
        for stage in stages
    }


def _run(root: Path, sample: SourceSample) -> SampleRun:
    stages = _measured(root, DATA_STAGES)
    table = _json(root / "data/pretokens/meta.json")
    corpus, encoded = _json(root / "metrics/jsonl.json"), _json(root / "metrics/encode.json")
    return SampleRun(
        share=sample.share,
        stages=stages,
        raw=folder_bytes(root / "data/raw"),
        jsonl=folder_bytes(root / "data/jsonl"),
        pretokens=folder_bytes(root / "data/pretokens"),
        tokenizer=folder_bytes(root / "models/tokenizer"),
        tokens=folder_bytes(root / "data/tokens"),
        text=corpus["bytes"],
        documents=corpus["documents"],
        different=table["different_pretokens"],
        encoded=encoded["train"]["tokens"] + encoded["val"]["tokens"],
        reached=_json(root / "metrics/tokenizer.json")["vocab_size"],
        tables=sum(path.stat().st_size for path in (root / "data/raw").rglob("*.parquet")),
        fetched=sum(map(_fetched, (root / "data/raw").rglob("source.json"))),
    )


def _fetched(path: Path) -> int:
    """Returns how many files a source.json counts that were fetched one by one."""
    facts = _json(path)
    if "dropped" not in facts:
        return 0
    return int(facts["files"] + sum(facts["dropped"].get(reason, 0) for reason in LOST))


def _json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def run_training(root: Path, values: dict[str, Any]) -> dict[str, Any]:
    """Takes training steps of these values in the project at `root`, which has token files; returns
    the fields of TrainingRates.

    Raises:
        UserError: the steps fail.
    """
    lock = root / "params.lock.yaml"
    sampled = yaml.safe_load(lock.read_text(encoding="utf-8"))
    trained = {section: values[section] for section in ("model", "train")}
    write_lock_file(lock, {**sampled, **trained})
    environment = sample_environment()
    environment.setdefault("GOMP_SPINCOUNT", SPINS)  # as the stage train sets it
    command = [sys.executable, "-m", "tohum.commands.estimate.training_probe"]
    done = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise UserError(f"the probe's training steps failed: {done.stderr.strip()}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
