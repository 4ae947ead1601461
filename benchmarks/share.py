"""What the wrapper costs: `share push` and `share pull` against bare `dvc push` and `dvc pull`.

    python -m benchmarks.share [--megabytes 1000] [--files 300] [--rounds 3]

The real dvc and dvc-gdrive move one large object, and then many small ones, to and from the tests'
Drive on this machine, over TLS. The figures include no network, so the wrapper's own cost weighs
more. The contenders take turns, with the same number of jobs, and each run starts with an empty
remote or an empty cache. Needs the packages in [dev,drive]. Objects are in memory (/dev/shm) if
there is enough of it, because a disk's fluctuations exceed what is measured.
"""

import argparse
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.targets import report
from tests.fakes.drive import HOSTS, Drive
from tests.fakes.drive_files import DriveFiles
from tests.fakes.google_accounts import user_credentials
from tests.fakes.raw_server import make_certificate

CLIENT = "benchmark.apps.googleusercontent.com"
JOBS = "4"
CONTENDERS = {
    "dvc": (sys.executable, "-m", "dvc"),
    "share": (sys.executable, "-m", "tohum", "share"),
}
MEMORY = Path("/dev/shm")


@dataclass
class Figures:
    """The seconds of every run, and the requests of the last."""

    seconds: list[float] = field(default_factory=list)
    requests: int = 0

    @property
    def typical(self) -> float:
        """The median."""
        return statistics.median(self.seconds)


@dataclass
class Bench:
    """A project, in its own folder, whose one output is shared with a Drive."""

    root: Path
    drive: Drive
    environment: dict[str, str]

    def run(self, *command: str) -> None:
        """Runs a command in the project."""
        done = subprocess.run(
            command, cwd=self.root, env=self.environment, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        if done.returncode:
            sys.exit(f"{' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")

    def timed(self, contender: str, command: str, figures: Figures) -> None:
        """Runs push or pull, with no state from earlier runs."""
        shutil.rmtree(self.environment["DVC_SITE_CACHE_DIR"], ignore_errors=True)
        self.drive.requests.clear()
        started = time.monotonic()
        self.run(*CONTENDERS[contender], command, "--jobs", JOBS)
        figures.seconds.append(time.monotonic() - started)
        figures.requests = self.drive.requests.total()

    def empty_drive(self) -> None:
        """Deletes what was pushed."""
        shutil.rmtree(self.drive.files.folder)
        self.drive.files.folder.mkdir()
        self.drive.files = DriveFiles(self.drive.files.folder)
        self.drive.files.quota = 1 << 50
        self.drive.files.add_folder("shared")

    def empty_cache(self) -> None:
        """Deletes what was pulled."""
        shutil.rmtree(self.root / ".dvc" / "cache", ignore_errors=True)
        shutil.rmtree(self.root / "data")


def make_bench(folder: Path, sizes: list[int], drive: Drive, certificate: Path) -> Bench:
    """Makes a project with files of these sizes."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parent.parent),
        "HTTPS_PROXY": drive.proxy,
        "https_proxy": drive.proxy,
        "HTTPLIB2_CA_CERTS": str(certificate),
        "XDG_CACHE_HOME": str(folder / "home"),
        "DVC_SITE_CACHE_DIR": str(folder / "site"),
        "DVC_NO_ANALYTICS": "1",
        "CI": "1",
    }
    bench = Bench(folder / "project", drive, environment)
    (bench.root / "data").mkdir(parents=True)
    for number, size in enumerate(sizes):
        write_file(bench.root / "data" / f"part-{number:05}", size, number)
    login = folder / "home" / "pydrive2fs" / CLIENT / "default.json"
    login.parent.mkdir(parents=True)
    login.write_text(json.dumps(user_credentials(CLIENT)))
    bench.empty_drive()
    (root_id,) = (item.id for item in drive.files.items.values() if item.title == "shared")
    bench.run("git", "init", "--quiet")
    bench.run(sys.executable, "-m", "dvc", "init", "--quiet")
    (bench.root / ".dvc" / "config").write_text(
        f"[core]\n    remote = drive\n[cache]\n    type = hardlink\n['remote \"drive\"']\n"
        f"    url = gdrive://{root_id}\n    gdrive_client_id = {CLIENT}\n"
        f"    gdrive_client_secret = x\n"
    )
    bench.run(sys.executable, "-m", "dvc", "add", "--quiet", "data")
    return bench


def write_file(path: Path, size: int, seed: int) -> None:
    """Writes bytes that no two files and no two megabytes have in common."""
    with path.open("wb") as file:
        for start in range(0, size, 1 << 20):
            block = hashlib.shake_128(f"{seed} {start}".encode()).digest(min(1 << 20, size - start))
            file.write(block)


def compare(folder: Path, sizes: list[int], rounds: int) -> dict[tuple[str, str], Figures]:
    """Runs both contenders in turn and returns their figures by contender and command."""
    figures = {(name, command): Figures() for name in CONTENDERS for command in ("push", "pull")}
    folder.mkdir()
    certificate = make_certificate(folder, *HOSTS)
    with Drive(folder / "drive", certificate) as drive:
        bench = make_bench(folder, sizes, drive, certificate)
        for number in range(rounds):
            order = list(CONTENDERS) if number % 2 == 0 else list(reversed(CONTENDERS))
            for name in order:
                bench.empty_drive()
                bench.timed(name, "push", figures[name, "push"])
            for name in order:
                bench.empty_cache()
                bench.timed(name, "pull", figures[name, "pull"])
    return figures


def show(title: str, sizes: list[int], figures: dict[tuple[str, str], Figures]) -> None:
    """Prints the table of one kind of input."""
    print(f"{title}: {len(sizes)} files, {sum(sizes) / 1e6:.1f} MB")
    print(f"{'':12} seconds     MB/s  files/s  requests per file")
    for (name, command), figure in figures.items():
        rate, files = sum(sizes) / 1e6 / figure.typical, len(sizes) / figure.typical
        each = figure.requests / len(sizes)
        print(f"{name:5} {command:5} {figure.typical:8.2f} {rate:8.1f} {files:8.1f} {each:18.2f}")


def cost(figures: dict[tuple[str, str], Figures], command: str) -> float:
    """Returns how much longer the wrapper takes, in percent, from the best run of each: other load
    on the machine only ever adds time.
    """
    best = {name: min(figures[name, command].seconds) for name in CONTENDERS}
    return 100 * (best["share"] / best["dvc"] - 1)


def main() -> None:
    """Runs the comparison and exits with 1 if a target is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    inputs = {
        "one large": [arguments.megabytes * 1_000_000],
        "many small": [4_000] * arguments.files,
    }
    holds = []
    place = MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > 6e9 else None
    with tempfile.TemporaryDirectory(dir=place) as folder:
        for title, sizes in inputs.items():
            figures = compare(Path(folder, title.split()[-1]), sizes, arguments.rounds)
            show(title, sizes, figures)
            for command in ("push", "pull"):
                name = f"{title}, {command}: percent that the wrapper adds"
                holds.append(report(name, cost(figures, command), "at most", 5))
            shutil.rmtree(Path(folder, title.split()[-1]))
    sys.exit(0 if all(holds) else 1)


if __name__ == "__main__":
    main()
