"""Real objects made tiny: documents, a corpus, a 300-token BPE, a two-layer model."""

import hashlib
import json
import os
import subprocess
import sys
import sysconfig
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import regex
import yaml
from tokenizers import Tokenizer as HuggingFaceTokenizer

from stages.compose.checking import check
from stages.compose.composition import compose, write_lock_file
from stages.jsonl.config import Jsonl
from stages.jsonl.corpus_shards import Span, make_copier, planned_shards, write_whole
from stages.tokenizer.bpe import train_merges
from stages.tokenizer.merges import Merge
from stages.tokenizer.training import build_tokenizer, write_tokenizer
from stages.train.config import Train
from tests.processes import PATIENCE
from tohum.config.runtime import Runtime, load_runtime
from tohum.files import file_sha256, write_json
from tohum.formats.alphabet import FIRST_ID, alphabet_order, byte_ids
from tohum.formats.pretoken_table import read_table, rows_of
from tohum.formats.raw import RawFile
from tohum.formats.records import Shard
from tohum.formats.special_tokens import END_OF_TEXT_ID
from tohum.formats.tokens import ORIGINS, SPLITS, TokenWriter, token_dtype
from tohum.model.config import Model

PROJECT = Path(__file__).parent.parent
MODULES = ("abc", "bisect", "copy", "glob", "heapq", "shlex", "stat", "textwrap", "this", "types")


def pattern(preset: str = "gpt4") -> str:
    """The pattern of a preset of conf/pretokenizer."""
    path = PROJECT / "conf" / "pretokenizer" / f"{preset}.yaml"
    value = yaml.safe_load(path.read_text(encoding="utf-8"))["pattern"]
    assert isinstance(value, str)
    return value


def module_sources(names: Iterable[str] = MODULES) -> list[str]:
    """The source of some modules of the standard library."""
    folder = Path(sysconfig.get_path("stdlib"))
    return [(folder / f"{name}.py").read_text(encoding="utf-8") for name in names]


def documents(count: int) -> list[str]:
    """Short documents of real code, all different."""
    lines = [line for source in module_sources() for line in source.splitlines() if line.strip()]
    return ["\n".join(lines[3 * number : 3 * number + 3]) + "\n" for number in range(count)]


def record(text: str) -> dict[str, Any]:
    """A record of data/jsonl."""
    id = hashlib.sha1(text.encode()).hexdigest()
    return {"content": text, "id": id, "source": "test", "path": f"{id}.py", "repo": "tiny"}


def raw_file(path: str, content: bytes) -> RawFile:
    """A file's line of data/raw's manifest."""
    return RawFile(
        path=path,
        id=hashlib.sha1(content).hexdigest(),
        sha256=hashlib.sha256(content).hexdigest(),
        bytes=len(content),
        source="local",
        repo="repo",
        license="MIT",
    )


def conversation(*texts: str) -> dict[str, Any]:
    """A record of a conversation; the roles take turns."""
    id = hashlib.sha1("\0".join(texts).encode()).hexdigest()
    messages = [
        {"role": ("user", "assistant")[number % 2], "content": text}
        for number, text in enumerate(texts)
    ]
    return {"messages": messages, "id": id, "source": "test", "path": f"{id}.json", "repo": "tiny"}


def write_shards(
    folder: Path,
    records: Iterable[dict[str, Any]],
    shard_bytes: int | None,
    compression: str = "none",
) -> list[Shard]:
    """Writes records to shards, as the stage jsonl does with judged documents."""
    folder.mkdir(parents=True, exist_ok=True)
    judged, lines = folder / "judged.jsonl", list[Span]()
    with judged.open("wb") as file:
        for each in records:
            start = file.tell()
            file.write(orjson.dumps(each, option=orjson.OPT_APPEND_NEWLINE))
            lines.append(Span(judged, start, file.tell()))
    if shard_bytes is None:
        shards = write_whole(folder, iter(lines), compression, int)
    else:
        write = make_copier(folder)
        shards = [write(plan, int) for plan in planned_shards(lines, shard_bytes, compression)]
    for extra in (judged, *folder.glob("*.json")):
        extra.unlink()
    return shards


def write_corpus(
    folder: Path, texts: Sequence[str | dict[str, Any]], shard_bytes: int | None = 2000
) -> Path:
    """Writes a data/jsonl of texts and of records."""
    records = (record(text) if isinstance(text, str) else text for text in texts)
    shards = [asdict(shard) for shard in write_shards(folder, records, shard_bytes)]
    provenance = {"raw_manifest_sha256": "0" * 64, "sources": {}, "licenses": {}}
    write_json(folder / "manifest.json", {**provenance, "shards": shards})
    (folder / "origins.jsonl").write_text("")
    return folder


def pretoken_counts(texts: list[str]) -> Counter[bytes]:
    """The pretokens of texts, cut as the gpt4 preset does."""
    split = regex.compile(pattern()).findall
    return Counter(word.encode() for text in texts for word in split(text))


def table_counts(folder: Path) -> Counter[bytes]:
    """The counts of a data/pretokens."""
    return Counter(dict(row for batch in read_table(folder) for row in batch.rows()))


def merges_of(words: Mapping[bytes, int], vocab_size: int, min_frequency: int = 1) -> list[Merge]:
    """The merges of a vocabulary with the special tokens in front."""
    table = [rows_of(words.items())]
    return train_merges(table, byte_ids(), FIRST_ID, vocab_size, min_frequency)


def write_tiny_tokenizer(folder: Path, vocab_size: int = 300) -> HuggingFaceTokenizer:
    """Writes a models/tokenizer, trained on a few modules."""
    folder.mkdir(parents=True)
    merges = merges_of(pretoken_counts(module_sources()), vocab_size)
    tokenizer = build_tokenizer(alphabet_order(), merges, pattern())
    write_tokenizer(folder, tokenizer, merges)
    return tokenizer


def write_tokens(
    folder: Path, tokenizer_folder: Path, train: list[str], validation: list[str]
) -> Path:
    """Writes a data/tokens whose splits hold just these documents."""
    tokenizer = HuggingFaceTokenizer.from_file(str(tokenizer_folder / "tokenizer.json"))
    dtype = token_dtype(tokenizer.get_vocab_size())
    meta: dict[str, Any] = {
        "dtype": dtype.str,
        "tokenizer_sha256": file_sha256(tokenizer_folder / "tokenizer.json"),
        "jsonl_manifest_sha256": "0" * 64,
        "provenance": {"raw_manifest_sha256": "0" * 64, "sources": {}, "licenses": {}},
    }
    folder.mkdir(parents=True)
    (folder / ORIGINS).write_text("")
    for split, texts in zip(SPLITS, (train, validation), strict=True):
        writer = TokenWriter(folder, split, dtype)
        for text in texts:
            writer.write([END_OF_TEXT_ID, *tokenizer.encode(text).ids], len(text.encode()))
        writer.close()
        meta[split] = {
            "documents": writer.documents,
            "tokens": writer.tokens,
            "bytes": writer.bytes,
            "sha256": file_sha256(folder / f"{split}.bin"),
            "offsets_sha256": file_sha256(folder / f"{split}.offsets.bin"),
        }
    write_json(folder / "meta.json", meta)
    return folder


def write_training_inputs(root: Path) -> None:
    """Writes what the stage train reads: a tokenizer, and tokens of 50 and 10 documents."""
    texts = documents(60)
    write_tiny_tokenizer(root / "models/tokenizer")
    write_tokens(root / "data/tokens", root / "models/tokenizer", texts[:50], texts[50:])


def configuration(*overrides: str) -> dict[str, Any]:
    """The values of the tiny presets."""
    return deepcopy(_composed(overrides))


@cache
def _composed(overrides: tuple[str, ...]) -> dict[str, Any]:
    """Composes once what hundreds of tests ask for: it takes 0.1 s, and a copy of it 0.001 s."""
    return compose(PROJECT / "conf", ["source=tiny", "model=tiny", "train=tiny", *overrides])


@cache
def _checked(overrides: tuple[str, ...]) -> SimpleNamespace:
    return check(configuration(*overrides))


def model_and_train(*overrides: str) -> tuple[Model, Train]:
    """The sections of a model of two layers and of a run of seconds."""
    small = ("model.context_length=16", "model.hidden_size=16", *SHORT_RUN, *overrides)
    config = deepcopy(_checked(small))
    return config.model, config.train


def rules(**values: Any) -> Jsonl:
    """The section jsonl without any rule but those given."""
    lax: dict[str, Any] = {
        "min_bytes": 1,
        "shard_bytes": None,
        "max_lost_share": 1.0,
    }
    section: Jsonl = deepcopy(_checked(()).jsonl)
    return replace(section, **{**lax, **values})


SHORT_RUN = (
    "train.steps=6",
    "train.tokens_per_step=64",
    "train.micro_batch_tokens=32",
    "train.log_every=1",
    "train.evaluate_every=3",
    "train.evaluate_tokens=200",
    "train.threads=1",
)


def runtime(workers: int = 1, checkpoint_seconds: float = 60) -> Runtime:
    """Runtime values without progress bars."""
    values = load_runtime(PROJECT / "conf" / "runtime.yaml")
    return replace(values, progress=False, workers=workers, checkpoint_seconds=checkpoint_seconds)


def write_project(root: Path, *overrides: str, workers: int = 1) -> None:
    """Writes the two files of values that a stage's own process reads, in the root of a project."""
    (root / "dvc.yaml").touch()
    write_lock_file(root / "params.lock.yaml", configuration(*overrides))
    values = asdict(runtime(workers, checkpoint_seconds=1))
    (root / "conf").mkdir(exist_ok=True)
    (root / "conf" / "runtime.yaml").write_text(json.dumps(values), encoding="utf-8")


def start_stage(root: Path, stage: str) -> "subprocess.Popen[str]":
    """Starts a stage's own process in a project."""
    return start_python(root, "-m", f"stages.{stage}")


def start_python(root: Path, *arguments: str) -> "subprocess.Popen[str]":
    """Starts an interpreter that finds the stages, in a project."""
    environment = {key: value for key, value in os.environ.items() if key != "DVC_ROOT"}
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=root,
        env={**environment, "PYTHONPATH": str(PROJECT)},
        stderr=subprocess.PIPE,
        text=True,
    )


def run_stage(root: Path, stage: str) -> None:
    """Runs a stage's own process to its end."""
    process = start_stage(root, stage)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors


def file_bytes(folder: Path) -> dict[str, bytes]:
    """The bytes of every file of a folder, by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}
