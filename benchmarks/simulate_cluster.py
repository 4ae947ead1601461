"""Hours and cost of The Stack v2 on 1, 8 and 64 nodes: arithmetic on rates, with each limit named.

    python -m benchmarks.simulate_cluster [--write]
    python -m benchmarks.simulate_cluster --cores 64 --price 2.9 --file-system 20

Sorted runs and their merging are measured in this run, in seconds of a core, so other work on the
machine matters little. The rates of stages are those of a run over 6 GB on two cores, and of
benchmarks.fetch. A stage takes as long as its slowest limit: the nodes' cores, 40 ms a file over
the connections of a node, S3's requests a second, a node's network, or the shared file system.
--write puts the rates and the table into docs/cluster.md.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.code_corpus import write_corpus
from benchmarks.projects import PROJECT
from stages.compose.checking import check
from stages.compose.composition import compose
from stages.pretokens.counting import count_shard
from stages.pretokens.run_merging import merge

DOCUMENT = PROJECT / "docs/cluster.md"
BEGIN, END = "<!-- simulation -->\n", "<!-- end of simulation -->"
RATES_MARK = "<!-- rates "
NODES = (1, 8, 64)
S3_REQUESTS = 5_500  # GET a second for one partition of a bucket's keys (AWS), then 503 SlowDown
LATENCY = 0.040  # seconds to a file's first byte
CONNECTIONS = 384  # of a node, conf/runtime.yaml
COMPRESSED = 0.25  # gzip's share of code
MEASURED_TEXT, MEASURED_CORES = 6e9, 2
HEAPS = 0.7  # the power of the text with which different pretokens grow
SAMPLE = 96_000_000
HOUR = 3600


@dataclass(frozen=True)
class Rates:
    """What one core does in a second: bytes of text, files fetched, and bytes of runs merged."""

    merge: float
    run_share: float  # bytes of sorted runs for a byte of text
    pretokens: float = MEASURED_TEXT / 112 / MEASURED_CORES
    jsonl: float = MEASURED_TEXT / 76 / MEASURED_CORES
    encode: float = MEASURED_TEXT / 168 / MEASURED_CORES
    tokenizer_seconds: float = 61  # for MEASURED_TEXT
    tokenizer_bytes: float = 753e6  # its memory then
    fetch: float = 4_406 / 2  # files, verified and packed (benchmarks.fetch; the server beside it)


@dataclass(frozen=True)
class Machines:
    """What a node has, bytes a second for network and the file system that all share, and US
    dollars an hour.
    """

    cores: int = 32
    network: float = 1.5e9
    file_system: float = 5e9
    price: float = 1.43


@dataclass(frozen=True)
class Material:
    """A corpus: its name, its files, and the bytes of their text."""

    name: str
    files: float
    text: float


# rows of the dataset's parquet; text by the mean size of a file in its -dedup, and its card
CORPORA = (
    Material("JavaScript", 162.4e6, 162.4e6 * 1_115e9 / 108.87e6),
    Material("all", 2.73e9, 67.5e12),
)


@dataclass(frozen=True)
class Step:
    """A stage: its hours, and the limit that decides them."""

    stage: str
    hours: float
    limit: str


def simulate(material: Material, nodes: int, rates: Rates, machines: Machines) -> list[Step]:
    """Returns the steps of the data half on so many nodes."""
    text, cores = material.text, nodes * machines.cores
    raw, runs = text * COMPRESSED, text * rates.run_share

    def slowest(stage: str, **seconds: float) -> Step:
        limit = max(seconds, key=lambda name: seconds[name])
        return Step(stage, seconds[limit] / HOUR, limit.replace("_", " "))

    def shared(*sizes: float) -> float:
        return sum(sizes) / machines.file_system

    return [
        slowest(
            "download",
            cores=material.files / rates.fetch / cores,
            latency=material.files * LATENCY / CONNECTIONS / nodes,
            S3_requests=material.files / S3_REQUESTS,
            network=raw / machines.network / nodes,
            file_system=shared(text),
        ),
        slowest("jsonl", cores=text / rates.jsonl / cores, file_system=shared(text, text)),
        slowest("pretokens", cores=text / rates.pretokens / cores, file_system=shared(text, runs)),
        slowest("merge", cores=runs / rates.merge / cores, file_system=shared(runs, runs)),
        Step("tokenizer", rates.tokenizer_seconds * _grown(text) / HOUR, "one node"),
        slowest("encode", cores=text / rates.encode / cores, file_system=shared(text, text / 2)),
    ]


def _grown(text: float) -> float:
    """Returns how many times as many different pretokens a text has as the measured one."""
    return float((text / MEASURED_TEXT) ** HEAPS)


def tokenizer_gigabytes(material: Material, rates: Rates) -> float:
    """Returns the memory that merges over all of the text take."""
    return rates.tokenizer_bytes * _grown(material.text) / 1e9


def table(rates: Rates, machines: Machines) -> Iterator[str]:
    """Yields the lines of the table, in Markdown."""
    stages = [step.stage for step in simulate(CORPORA[0], 1, rates, machines)]
    yield f"| corpus | nodes | {' | '.join(stages)} | hours | US dollars |"
    yield f"|---|{'---:|' * (len(stages) + 3)}"
    for material in CORPORA:
        for nodes in NODES:
            steps = simulate(material, nodes, rates, machines)
            cells = [f"{step.hours:,.1f} ({step.limit})" for step in steps]
            hours = sum(step.hours for step in steps)
            cost = hours * nodes * machines.price
            row = [material.name, f"{nodes}", *cells, f"{hours:,.0f}", f"{cost:,.0f}"]
            yield f"| {' | '.join(row)} |"


def section(rates: Rates, machines: Machines) -> str:
    """Returns the section of docs/cluster.md, which says what the table rests on."""
    memory = [f"{tokenizer_gigabytes(each, rates):,.0f} GB" for each in CORPORA]
    return "\n".join(
        [
            f"{RATES_MARK}{json.dumps(asdict(rates))} -->",
            "`python -m benchmarks.simulate_cluster --write` made this: arithmetic, not a run. "
            f"Hours of each stage, with what limits it,\non nodes of {machines.cores} cores and "
            f"{machines.network / 1e9:g} GB/s for {machines.price} dollars an hour, with a file "
            f"system of {machines.file_system / 1e9:g} GB/s. One core a second:\n"
            f"{rates.fetch:,.0f} files fetched; "
            f"{rates.jsonl / 1e6:.0f} MB through jsonl, {rates.pretokens / 1e6:.0f} through "
            f"pretokens, {rates.merge / 1e6:.0f} of runs merged, {rates.encode / 1e6:.0f} "
            "encoded.\n",
            *table(rates, machines),
            "",
            f"S3 answers {S3_REQUESTS:,} requests a second for one partition of keys, however many "
            "nodes ask. It may split the\npartition under load, which nobody can order. "
            f"{LATENCY * 1000:.0f} ms a file over {CONNECTIONS} connections limit a node to "
            f"{CONNECTIONS / LATENCY:,.0f} files\na second. A tokenizer of all of the text would "
            f"need {memory[0]} of memory for JavaScript and {memory[1]} for everything:\ncount a "
            "share (`pretokenizer.sample_share`), which takes hours off too. So a second node "
            "hardly helps with JavaScript,\nand eight do what 64 do on this file system.\n",
        ]
    )


def measured(folder: Path) -> Rates:
    """Returns the rates, having counted real code and merged its runs on one core."""
    config = check(compose(PROJECT / "conf", [])).pretokenizer
    write_corpus(folder / "jsonl", SAMPLE)
    shards = sorted((folder / "jsonl").glob("*.jsonl"))
    runs = [
        folder / shard.stem / name
        for shard in shards
        for name in count_shard(shard, config, folder / shard.stem, 1 << 30)["runs"]
    ]
    for _ in merge(runs[:1]):  # compiles
        pass
    text, size = (sum(path.stat().st_size for path in paths) for paths in (shards, runs))
    began = time.process_time()
    for _ in merge(runs):
        pass
    return Rates(size / (time.process_time() - began), size / text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="into docs/cluster.md")
    parser.add_argument("--cores", type=int, default=Machines.cores, help="of a node")
    parser.add_argument("--price", type=float, default=Machines.price, help="US dollars an hour")
    parser.add_argument("--network", type=float, default=Machines.network / 1e9, help="GB/s")
    parser.add_argument("--file-system", type=float, default=Machines.file_system / 1e9)
    given = parser.parse_args()
    machines = Machines(given.cores, given.network * 1e9, given.file_system * 1e9, given.price)
    with tempfile.TemporaryDirectory() as folder:
        text = section(measured(Path(folder)), machines)
    print(text)
    if given.write:
        before, rest = DOCUMENT.read_text("utf-8").split(BEGIN)
        DOCUMENT.write_text(before + BEGIN + text + END + rest.split(END)[1], "utf-8")


if __name__ == "__main__":
    main()
