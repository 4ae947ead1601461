"""What this machine does: the stages on two small samples of text, and a few training steps.

Two sizes tell what a stage takes to start from what it takes for each byte. What was measured is
kept in .work/estimate, by machine and by what decides the cost; the rest of the configuration does
not matter to it.
"""

import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from stages.compose.composition import compose, write_lock_file
from tohum.commands.estimate.request import Request
from tohum.errors import UserError
from tohum.files import write_json
from tohum.workdir import project_root

STAGES = ("download", "jsonl", "pretokens", "tokenizer", "encode")
SIZES = (8_000_000, 40_000_000)  # bytes of text
KEPT = ("pretokenizer.", "tokenizer.", "encode.", "jsonl.")  # overrides that decide a speed
POLL_SECONDS = 0.03
VERSION = 1  # of what is kept


@dataclass(frozen=True)
class StageRun:
    """What a stage took: seconds, bytes of memory (the peak), of its output, and of .work."""

    seconds: float
    memory: int
    out: int
    work: int


@dataclass(frozen=True)
class TrialRun:
    """A run of the data stages: `text` bytes of `documents`, and what came of them."""

    text: int
    documents: int
    tokens: int
    pretokens: int
    different: int
    stages: dict[str, StageRun]


@dataclass(frozen=True)
class Steps:
    """What training takes: seconds for a token and for a step of the optimisers, and memory."""

    token_seconds: float
    step_seconds: float
    parameters: int
    memory: int
    before: int  # bytes of memory, before the network was there
    share: float  # of the micro-batch that was measured
    precision: str


@dataclass(frozen=True)
class Measurements:
    """What was measured on this machine."""

    small: TrialRun
    large: TrialRun
    steps: Steps


def measured(request: Request, again: bool) -> Measurements:
    """Returns what this machine does, as kept or measured now.

    Raises:
        UserError: a stage or a step fails, with its message.
    """
    folder = project_root() / ".work" / "estimate"
    samples = kept(folder, ["data", *_deciding(request)], again, lambda: _samples(request))
    model = [request.values[name] for name in ("model", "train")]
    entries = request.values["tokenizer"]["vocab_size"]
    steps = kept(folder, ["steps", model, entries], again, lambda: [_steps(request)])
    small, large = (_sample(each) for each in samples)
    return Measurements(small, large, Steps(**steps[0]))


def kept(folder: Path, about: Any, again: bool, measure: Any) -> Any:
    """Returns what `measure` returned on this machine for the same thing, or returns now."""
    machine = [platform.node(), platform.processor(), os.cpu_count(), VERSION]
    key = hashlib.sha256(json.dumps([machine, about]).encode()).hexdigest()[:16]
    path = folder / f"{key}.json"
    if path.is_file() and not again:
        return _read(path)["measured"]
    found = measure()
    write_json(path, {"measured": found})
    return found


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _sample(values: dict[str, Any]) -> TrialRun:
    return TrialRun(
        **{**values, "stages": {name: StageRun(**run) for name, run in values["stages"].items()}}
    )


def _deciding(request: Request) -> list[str]:
    """Returns the overrides that decide how fast the data stages are, whatever the source."""
    return [
        override
        for override in request.overrides
        if override.startswith((*KEPT, *(f"{key[:-1]}=" for key in KEPT)))
        and not override.startswith(("jsonl.sources", "jsonl.fields"))
    ]


def _samples(request: Request) -> list[dict[str, Any]]:
    print("measuring this machine, for about half a minute ...", file=sys.stderr, flush=True)
    deciding = _deciding(request)
    return [asdict(run_stages(deciding, size)) for size in SIZES]


def run_stages(overrides: list[str], size: int) -> TrialRun:
    """Runs the data stages on the code of installed packages, in a project of their own."""
    root = project_root()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for entry in ("conf", "dvc.yaml"):
            (folder / entry).symlink_to(root / entry, target_is_directory=entry == "conf")
        own = [*overrides, "source=packages", f"source.max_bytes={size}"]
        write_lock_file(folder / "params.lock.yaml", compose(root / "conf", own))
        runs = {stage: _run_stage(folder, stage) for stage in STAGES}
        jsonl = _read(folder / "metrics/jsonl.json")
        tokenizer = _read(folder / "metrics/tokenizer.json")
        encode = _read(folder / "metrics/encode.json")
        return TrialRun(
            jsonl["bytes"],
            jsonl["documents"],
            encode["train"]["tokens"] + encode["val"]["tokens"],
            tokenizer["pretokens"],
            tokenizer["different_pretokens"],
            runs,
        )


def _run_stage(folder: Path, stage: str) -> StageRun:
    environment = {**os.environ, "PYTHONPATH": str(project_root())}
    environment.pop("DVC_ROOT", None)
    command = [sys.executable, "-m", f"stages.{stage}"]
    seconds, memory, work, _ = watched(command, folder, environment, "")
    out = {"tokenizer": "models/tokenizer", "encode": "data/tokens"}.get(
        stage, f"data/{'raw' if stage == 'download' else stage}"
    )
    return StageRun(seconds, memory, folder_bytes(folder / out), work)


def _steps(request: Request) -> dict[str, Any]:
    print("measuring training steps ...", file=sys.stderr, flush=True)
    sections = {name: request.values[name] for name in ("model", "train", "tokenizer")}
    command = [sys.executable, "-m", "tohum.commands.estimate.step_probe"]
    root = project_root()
    _, memory, _, output = watched(command, root, dict(os.environ), json.dumps(sections))
    return {**json.loads(output.splitlines()[-1]), "memory": memory}


def watched(
    command: list[str], folder: Path, environment: dict[str, str], given: str
) -> tuple[float, int, int, str]:
    """Runs a process to its end; returns its seconds, the peak of its and its children's memory
    and of `.work` in the folder, in bytes, and its output.

    Raises:
        UserError: it fails.
    """
    started = time.monotonic()
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as output,
        tempfile.TemporaryFile("w+", encoding="utf-8") as errors,
    ):
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=errors,
            text=True,
        )
        assert process.stdin is not None
        process.stdin.write(given)
        process.stdin.close()
        memory = work = 0
        while process.poll() is None:
            memory = max(memory, _tree_bytes(process.pid))
            work = max(work, folder_bytes(folder / ".work") if not given else 0)
            time.sleep(POLL_SECONDS)
        seconds = time.monotonic() - started
        output.seek(0)
        errors.seek(0)
        if process.returncode:
            last = errors.read().strip().splitlines() or ["it ended without a message"]
            raise UserError(f"{' '.join(command[1:])} failed on a sample: {last[-1]}")
        return seconds, memory, work, output.read()


def _tree_bytes(process_id: int) -> int:
    try:
        process = psutil.Process(process_id)
        return sum(
            int(each.memory_info().rss) for each in (process, *process.children(recursive=True))
        )
    except psutil.Error:  # it has just ended
        return 0


def folder_bytes(folder: Path) -> int:
    """Returns the bytes of the files in a folder that may change meanwhile."""
    total = 0
    for above, _, names in os.walk(folder):
        for name in names:
            try:
                total += Path(above, name).stat().st_size
            except OSError:
                continue
    return total
