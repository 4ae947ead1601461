"""How fast foreign JSONL becomes JSONL records: this project compared with `datasets` and pandas.

    python -m benchmarks.jsonl [--megabytes 600] [--rounds 3]

The input is real code, the sources of installed packages, as lines {"code", "file", "repo"}. Every
contender renames the columns, drops short and long documents and exact duplicates, and writes JSON
lines; this project also checks the input against its hash, gives every document its SHA-1, and
counts licences and what it drops. They take turns, each in its own process. The time includes
imports, but not the work of the stages before this one: composing the configuration, and copying
and hashing the input. Peak memory is that of the process and its children; a run on a quarter of
the input shows whether it is flat. The benchmark knows how many different documents its input has,
and each must be in the output exactly once.
Install the contenders with python -m pip install -c constraints.txt -e ".[bench]"; one that is not
installed is left out.
"""

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import psutil

from benchmarks.targets import quotient, report, taking_part

MIN_BYTES, MAX_BYTES = 64, 1_000_000
SUFFIXES = {".py", ".js", ".c", ".h", ".hpp", ".cpp", ".pyi", ".ts", ".css", ".html", ".md", ".rst"}


def real_texts() -> Iterator[tuple[str, str]]:
    """Yields name and text of the source files in this environment."""
    for root in (sysconfig.get_path("purelib"), sysconfig.get_path("stdlib")):
        for folder, _, names in sorted(os.walk(root)):
            for name in sorted(names):
                path = Path(folder, name)
                if path.suffix not in SUFFIXES or path.is_symlink():
                    continue
                try:
                    yield str(path.relative_to(root)), path.read_text(encoding="utf-8")
                except ValueError:
                    continue


def write_input(path: Path, megabytes: float) -> int:
    """Writes real documents, repeated with a changed first line when they run out; every twentieth
    is a duplicate. Returns how many different ones are within the limits: an installation contains
    duplicates too.
    """
    written = lap = 0
    different: set[bytes] = set()
    with path.open("wb") as file:
        while written < megabytes * 1e6:
            for number, (name, text) in enumerate(real_texts()):
                changed = f"# {lap}\n{text}" if lap else text
                encoded = changed.encode()
                if MIN_BYTES <= len(encoded) <= MAX_BYTES:
                    different.add(hashlib.sha1(encoded).digest())
                row = {"code": changed, "file": name, "repo": f"lap/{lap}"}
                line = orjson.dumps(row) + b"\n"
                for _ in range(2 if number % 20 == 0 else 1):
                    written += file.write(line)
                if written >= megabytes * 1e6:
                    return len(different)
            lap += 1
    return len(different)


def write_project(source: Path, work: Path) -> None:
    """Writes what the stages before jsonl leave: the configuration, and data/raw with its hash."""
    from stages.compose.composition import compose, write_lock_file
    from tohum.files import file_sha256, write_json

    project = Path(__file__).parent.parent
    values = compose(project / "conf", ["source=files", "source.paths=[x]"])
    values["jsonl"].update(min_bytes=MIN_BYTES, max_bytes=MAX_BYTES)
    write_lock_file(work / "params.lock.yaml", values)
    raw = work / "raw"
    raw.mkdir()
    os.link(source, raw / "in.jsonl")
    entry = json.dumps({"file": "in.jsonl", "sha256": file_sha256(source)})
    (raw / "manifest.jsonl").write_text(entry + "\n")
    write_json(raw / "source.json", {"kind": "files", "license": None})


def this_project(_: Path, work: Path, workers: int) -> int:
    """The stage jsonl, after `write_project`."""
    from stages.jsonl.config import Jsonl
    from stages.jsonl.conversion import convert
    from tohum.config.loading import load
    from tohum.config.runtime import load_runtime

    os.environ.pop("DVC_ROOT", None)
    os.chdir(work)
    runtime = load_runtime(Path(__file__).parent.parent / "conf" / "runtime.yaml")
    convert(
        load("jsonl", Jsonl),
        replace(runtime, progress=False, workers=workers),
        raw=work / "raw",
        out=work / "out",
        metrics=work / "metrics.json",
        plot=work / "rules.csv",
        opt_out=work / "none.txt",
    )
    documents = json.loads((work / "metrics.json").read_text())["documents"]
    return int(documents)


def with_datasets(source: Path, work: Path, workers: int) -> int:
    """Hugging Face datasets: load, map, filter and write, in several processes."""
    import datasets

    datasets.disable_progress_bars()
    rows: Any = datasets.load_dataset(
        "json", data_files=str(source), split="train", cache_dir=str(work / "cache")
    )
    rows = rows.rename_columns({"code": "content", "file": "path"})
    rows = rows.filter(
        lambda text: MIN_BYTES <= len(text.encode()) <= MAX_BYTES,
        input_columns=["content"],
        num_proc=workers,
    )
    seen: set[bytes] = set()

    def is_new(text: str) -> bool:
        before = len(seen)
        seen.add(hashlib.sha1(text.encode()).digest())
        return len(seen) > before

    rows = rows.filter(is_new, input_columns=["content"])  # one process: it shares what it has seen
    rows.to_json(str(work / "out.jsonl"), num_proc=workers)
    return len(rows)


def with_pandas(source: Path, work: Path, _: int) -> int:
    """Pandas, one chunk of lines at a time so that it fits in memory."""
    import pandas

    seen: set[bytes] = set()
    documents = 0
    with (work / "out.jsonl").open("w", encoding="utf-8") as out:
        for chunk in pandas.read_json(source, lines=True, chunksize=5000):
            table = chunk.rename(columns={"code": "content", "file": "path"})
            encoded = table["content"].map(str.encode)
            sizes = encoded.map(len)
            keys = encoded.map(lambda text: hashlib.sha1(text).digest())
            new = ~keys.duplicated() & ~keys.isin(seen) & sizes.between(MIN_BYTES, MAX_BYTES)
            seen.update(keys[new])
            documents += int(new.sum())
            table[new].to_json(out, orient="records", lines=True, force_ascii=False)
    return documents


MODULES = {"pandas": "pandas", "datasets": "datasets"}
CONTENDERS: dict[str, Callable[[Path, Path, int], int]] = {
    "pandas": with_pandas,
    "datasets": with_datasets,
    "this project": this_project,
}


def run_contender(name: str, source: Path) -> dict[str, float]:
    """Runs one contender in its own process; returns its seconds, documents and peak MB."""
    with tempfile.TemporaryDirectory(dir=source.parent) as work:
        if name == "this project":
            write_project(source, Path(work))
        command = [sys.executable, "-m", "benchmarks.jsonl", "--contender", name]
        command += ["--source", str(source), "--work", work]
        started = time.monotonic()
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            peak = _Peak(process.pid)
            printed, errors = process.communicate()
            megabytes = peak.stop()
        if process.returncode:
            sys.exit(f"{name} failed:\n{errors.decode()}")
        facts: dict[str, float] = json.loads(printed.splitlines()[-1])
    return {**facts, "process_seconds": time.monotonic() - started, "megabytes": megabytes}


class _Peak:
    """Watches the unshared memory of a process and its children, in MB."""

    def __init__(self, pid: int) -> None:
        self.process = psutil.Process(pid)
        self.highest = 0.0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()

    def _watch(self) -> None:
        while not self.ended.wait(0.05):
            try:
                family = [self.process, *self.process.children(recursive=True)]
                sizes = [member.memory_full_info().uss for member in family]
            except psutil.Error:
                continue
            self.highest = max(self.highest, sum(sizes) / 1e6)

    def stop(self) -> float:
        self.ended.set()
        self.thread.join()
        return self.highest


def compare(megabytes: int, rounds: int) -> bool:
    """Runs all contenders in turn, prints the table and the targets; returns whether all hold."""
    names = taking_part(CONTENDERS, MODULES)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    peaks = dict.fromkeys(names, 0.0)
    documents: dict[str, float] = {}
    ours = "this project"
    with tempfile.TemporaryDirectory() as folder:
        source, small = Path(folder, "in.jsonl"), Path(folder, "small.jsonl")
        different = write_input(source, megabytes)
        write_input(small, megabytes / 4)
        size = source.stat().st_size / 1e6
        for _ in range(rounds):
            for name in names:
                facts = run_contender(name, source)
                seconds[name].append(facts["seconds"])
                peaks[name] = max(peaks[name], facts["megabytes"])
                documents[name] = facts["documents"]
        small_peak = run_contender(ours, small)["megabytes"]
    rate = {name: size / statistics.median(values) for name, values in seconds.items()}
    print(f"{size:.0f} MB of JSON lines")
    print(f"{'':16}     MB/s  peak MB  documents  this project is")
    for name in names:
        figures = f"{rate[name]:8.1f} {peaks[name]:8.0f} {documents[name]:10,.0f}"
        print(f"{name:16} {figures} {rate[ours] / rate[name]:8.2f} x as fast")
    holds = (
        report("MB/s", rate[ours], "at least", 100),
        report("times datasets", quotient(rate[ours], rate.get("datasets")), "at least", 1),
        report("times pandas", quotient(rate[ours], rate.get("pandas")), "at least", 1),
        report("different documents left out", different - documents[ours], "at most", 0),
        report("documents more than once", documents[ours] - different, "at most", 0),
        report(
            "peak memory, times that at a quarter of the size",
            peaks[ours] / small_peak,
            "at most",
            1.2,
        ),
    )
    return all(holds)


def main() -> None:
    """Reads the command line and runs what it asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--megabytes", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=3)
    for hidden in ("--contender", "--source", "--work"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not arguments.contender:
        sys.exit(0 if compare(arguments.megabytes, arguments.rounds) else 1)
    started = time.monotonic()
    run = CONTENDERS[arguments.contender]
    documents = run(Path(arguments.source), Path(arguments.work), 2)
    print(json.dumps({"seconds": time.monotonic() - started, "documents": documents}))


if __name__ == "__main__":
    main()
