"""Damaged files: of unfinished work, which is done again, and of inputs, which are refused."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stages.encode.config import Encode
from stages.encode.encoding import encode_corpus
from stages.evaluate.config import Evaluate
from stages.evaluate.evaluation import evaluate
from stages.jsonl.conversion import convert
from stages.pretokens.counting import count_corpus
from stages.tokenizer.config import Tokenizer
from stages.tokenizer.training import train_tokenizer
from stages.train.pretraining import train
from tests.conftest import PROJECT
from tests.fakes import stack_rows
from tests.fakes.blobs import contents, sample_blobs
from tests.fakes.content_store import FakeContentStore
from tests.fakes.hub import FakeHub
from tests.stages.pretokens.test_counting import settings_of
from tests.tiny import (
    documents,
    model_and_train,
    raw_file,
    rules,
    runtime,
    write_corpus,
    write_tiny_tokenizer,
    write_training_inputs,
)
from tests.tohum.fetch.test_contents import OPEN, Project, ask, files
from tohum.errors import UserError
from tohum.fetch.assembly import Assembler
from tohum.formats.raw import write_raw
from tohum.marks import marked_files
from tohum.sources.config import MixSource
from tohum.sources.hub import HubSource

pytestmark = pytest.mark.slow

TEXTS = documents(60)
BLOBS = sample_blobs(120)


def _flipped(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :]


DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    "flipped first": lambda content: _flipped(content, 0),
    "flipped": lambda content: _flipped(content, len(content) // 2),
    "flipped last": lambda content: _flipped(content, len(content) - 1),
    "cut": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "zeros": lambda content: bytes(len(content)),
    "grown": lambda content: content + b"\0",
    "missing": lambda content: None,
}


def run_jsonl() -> None:
    if not Path("data/raw").exists():
        Path("data/raw").mkdir(parents=True)
        found = [(f"{number}.py", text.encode()) for number, text in enumerate(TEXTS)]
        write_raw(Path("data/raw"), "local", ((raw_file(*each), each[1]) for each in found), {})
    config = rules(shard_bytes=2000, near_duplicates=0.9)
    convert(
        config,
        runtime(),
        raw=Path("data/raw"),
        out=Path("out"),
        metrics=Path("out.json"),
        plot=Path("out.csv"),
        opt_out=Path("opt_out.txt"),
    )


def jsonl() -> Path:
    folder = Path("data/jsonl")
    return folder if folder.exists() else write_corpus(folder, TEXTS, shard_bytes=4000)


def run_pretokens() -> None:
    count_corpus(settings_of(), runtime(), jsonl(), Path("out"))


def run_tokenizer() -> None:
    if not Path("data/pretokens").exists():
        count_corpus(settings_of(), runtime(), jsonl(), Path("data/pretokens"))
    train_tokenizer(
        Tokenizer(300, 2), Path("data/pretokens"), Path("out"), Path("out.json"), Path("out.csv")
    )


def run_encode() -> None:
    if not Path("models/tokenizer").exists():
        write_tiny_tokenizer(Path("models/tokenizer"))
    tokenizer, out = Path("models/tokenizer"), Path("out")
    encode_corpus(Encode(0.2), runtime(), jsonl(), tokenizer, out, Path("out.json"))


def run_train() -> None:
    if not Path("data/tokens").exists():
        write_training_inputs(Path())
    train(
        *model_and_train(),
        runtime(checkpoint_seconds=0),
        tokens=Path("data/tokens"),
        tokenizer_folder=Path("models/tokenizer"),
        out=Path("out"),
        plot=Path("out.csv"),
    )


STAGES: dict[str, tuple[Callable[[], None], str]] = {
    "jsonl": (run_jsonl, "stages.jsonl.conversion.publish"),
    "pretokens": (run_pretokens, "stages.pretokens.counting.publish"),
    "tokenizer": (run_tokenizer, "stages.tokenizer.training.publish"),
    "encode": (run_encode, "stages.encode.encoding.publish"),
    "train": (run_train, "stages.train.pretraining.publish"),
}


class Stopped(Exception):
    """Ends a run just before its result is published."""


def stop(*_: Any) -> None:
    raise Stopped


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def outputs() -> dict[str, bytes]:
    plain = {path.name: path.read_bytes() for path in Path().glob("out.*")}
    return {**files(Path("out")), **plain}


def damaged(work: Path, damage: str) -> Iterator[Path]:
    """Yields each file of `work` after damaging it, with the others as they were."""
    kept = shutil.copytree(work, work.parent / "kept")
    for path in sorted(kept.rglob("*")):
        if path.is_dir() or path.suffix == ".lock" or not path.stat().st_size:
            continue
        shutil.rmtree(work)
        shutil.copytree(kept, work)
        place = work / path.relative_to(kept)
        content = DAMAGES[damage](path.read_bytes())
        place.unlink()
        if content is not None:
            place.write_bytes(content)
        yield place


def is_marked(work: Path, place: Path) -> bool:
    """Whether a mark is about a file, or it is one."""
    marks = [mark for mark in work.parent.joinpath("kept").rglob("*.json") if marked_files(mark)]
    listed = {file.path for mark in marks for file in marked_files(mark)} | set(marks)
    return work.parent / "kept" / place.relative_to(work) in listed


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("stage", STAGES)
def test_damaged_work_is_done_again(
    stage: str, damage: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run, publish = STAGES[stage]
    run()
    expected = outputs()
    with monkeypatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(publish, stop)
        run()
    tried = set()
    for path in damaged(Path(".work"), damage):
        caplog.clear()
        run()
        assert outputs() == expected, path
        # of two checkpoints, only the last is looked at
        if is_marked(Path(".work"), path) and "checkpoint-5" not in path.name:
            tried.add(path)
            assert path.name in caplog.text or damage in ("grown", "missing")
    assert tried or stage == "tokenizer"


SOURCES: dict[str, HubSource | MixSource] = {
    "alone": OPEN,
    "mix": MixSource(
        "mix", {name: replace(OPEN, paths=[f"{name}.parquet"]) for name in ("0", "1")}
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("kind", ["alone", "mix", "inherited"])
def test_damaged_downloads_are_fetched_again(
    kind: str, damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = SOURCES.get(kind, OPEN)
    with FakeContentStore(contents(BLOBS)) as store, FakeHub({}, "a/b") as hub:
        ask(hub, monkeypatch, tmp_path)
        monkeypatch.setattr("tohum.formats.raw.ARCHIVE_BYTES", 20_000)
        monkeypatch.setattr("tohum.fetch.row_tables.READ_ROWS", {False: 10, True: 2})
        fetching = Project(tmp_path, store, hub)
        fetching.offer(stack_rows.stack_v2(BLOBS[:60]), stack_rows.stack_v2(BLOBS[60:]))
        fetching.download(source)
        expected = files(fetching.raw)
        shutil.rmtree(fetching.raw)
        real, added = Assembler.add, 0

        def add(assembler: Assembler, segment: Any) -> None:
            nonlocal added
            added += 1
            if added == 10:
                raise Stopped
            real(assembler, segment)

        with monkeypatch.context() as patch, pytest.raises(Stopped):
            patch.setattr(Assembler, "add", add)
            first = replace(OPEN, license_types=["permissive", "no_license"])
            fetching.download(first if kind == "inherited" else source)
        assert list((tmp_path / ".work").rglob("part-00001.tar"))
        assert list((tmp_path / ".work").rglob("*.journal"))
        for path in damaged(tmp_path / ".work", damage):
            shutil.rmtree(fetching.raw, ignore_errors=True)
            fetching.download(source)
            assert files(fetching.raw) == expected, path


INPUTS = [
    ("pretokens", "data/jsonl/part-00001.jsonl"),
    ("pretokens", "data/jsonl/manifest.json"),
    ("encode", "data/jsonl/part-00001.jsonl"),
    ("tokenizer", "data/pretokens/pretokens.parquet"),
    ("tokenizer", "data/pretokens/meta.json"),
    ("train", "data/tokens/train.bin"),
    ("train", "data/tokens/val.offsets.bin"),
    ("train", "data/tokens/meta.json"),
    ("evaluate", "out/weights.safetensors"),
    ("evaluate", "out/facts.json"),
    ("evaluate", "data/tokens/val.bin"),
    ("evaluate", "models/tokenizer/tokenizer.json"),
]


def run_evaluate() -> None:
    if not Path("out").exists():
        run_train()
    evaluate(
        Evaluate(2000, 10**6, 2, 4, 2, 4),
        weights=Path("out"),
        tokens=Path("data/tokens"),
        tokenizer_folder=Path("models/tokenizer"),
        prompts=PROJECT / "conf" / "prompts.txt",
        out=Path("lm"),
        metrics=Path("lm.json"),
    )


@pytest.mark.parametrize(("stage", "name"), INPUTS)
def test_a_stage_refuses_a_damaged_input_and_says_how_to_get_it_back(stage: str, name: str) -> None:
    run = {**{key: value[0] for key, value in STAGES.items()}, "evaluate": run_evaluate}[stage]
    run()
    whole = Path(name).read_bytes()
    for damage in ("flipped first", "cut", "empty", "zeros", "missing"):
        content = DAMAGES[damage](whole)
        Path(name).unlink()
        if content is not None:
            Path(name).write_bytes(content)
        with pytest.raises(UserError) as caught:
            run()
        assert Path(name).name in str(caught.value), damage
        assert "share verify --here" in str(caught.value) or damage == "missing"


def test_a_shard_that_no_manifest_lists_is_refused() -> None:
    run_pretokens()
    Path("data/jsonl/part-00099.jsonl").write_text("{}")
    for run in (run_pretokens, run_encode):
        with pytest.raises(UserError, match=r"part-00099\.jsonl: not in manifest\.json"):
            run()
