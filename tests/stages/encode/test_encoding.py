import json
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.encode import encoding
from stages.encode.config import Encode
from stages.encode.encoding import (
    BATCH_DOCUMENTS,
    encode_corpus,
    fitting_share,
    is_validation,
)
from stages.tokenizer.merges import Merge
from stages.tokenizer.training import build_tokenizer, write_tokenizer
from tests.tiny import (
    conversation,
    documents,
    file_bytes,
    record,
    run_stage,
    runtime,
    write_corpus,
    write_project,
    write_tiny_tokenizer,
)
from tohum.errors import UserError
from tohum.files import file_sha256
from tohum.formats.alphabet import FIRST_ID, alphabet_order, byte_ids
from tohum.formats.records import ListedShard
from tohum.formats.special_tokens import END_ID, END_OF_TEXT_ID, ROLE_IDS
from tohum.formats.tokenizer import load_tokenizer
from tohum.formats.tokens import SPLITS, read_meta, read_split
from tohum.workdir import project_root

pytestmark = pytest.mark.slow


SHARE = 0.3
TEXTS = [*documents(40), "é中\U0001f600\r\n\tx = '<|endoftext|>'\n", "<|pad|>" * 9]


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    write_tiny_tokenizer(Path("models/tokenizer"))


def encoded(
    texts: Sequence[str | dict[str, Any]],
    name: str = "tokens",
    share: float = SHARE,
    workers: int = 1,
) -> Path:
    """Runs the stage and returns the folder of the token files."""
    encode_corpus(
        Encode(validation_share=share),
        runtime(workers),
        jsonl=write_corpus(Path(f"jsonl-{name}"), texts),
        tokenizer_folder=Path("models/tokenizer"),
        out=Path(name),
        metrics=Path(f"{name}.json"),
    )
    return Path(name)


def read_documents(folder: Path, split: str) -> list[list[int]]:
    tokens = read_split(folder, split)
    return [tokens.document(number).tolist() for number in range(len(tokens.offsets) - 1)]


def of_split(texts: list[str], split: str) -> list[str]:
    held_out = split == "val"
    return [text for text in texts if is_validation(record(text)["id"], SHARE) == held_out]


@pytest.mark.parametrize("split", SPLITS)
def test_ids_are_those_of_tokenizers_in_input_order(split: str) -> None:
    tokenizer = load_tokenizer(Path("models/tokenizer"))
    assert read_documents(encoded(TEXTS), split) == [
        [END_OF_TEXT_ID, *tokenizer.encode(text).ids] for text in of_split(TEXTS, split)
    ]


def test_order_holds_across_batches() -> None:
    texts = [f"value_{number} = {number}\n" for number in range(2 * BATCH_DOCUMENTS + 5)]
    tokenizer = load_tokenizer(Path("models/tokenizer"))
    out = encoded(texts)
    for split in SPLITS:
        decoded = [tokenizer.decode(ids[1:]) for ids in read_documents(out, split)]
        assert decoded == of_split(texts, split)


def test_only_the_first_id_of_a_document_is_the_end_of_text() -> None:
    for split in SPLITS:
        for ids in read_documents(encoded(TEXTS, split), split):
            assert ids[0] == END_OF_TEXT_ID
            assert END_OF_TEXT_ID not in ids[1:]


def test_the_split_does_not_depend_on_the_order_of_documents() -> None:
    forwards, backwards = encoded(TEXTS, "forwards"), encoded(TEXTS[::-1], "backwards")
    for split in SPLITS:
        assert read_documents(forwards, split) == read_documents(backwards, split)[::-1]


def test_more_documents_move_none_from_one_split_to_the_other() -> None:
    few, many = encoded(TEXTS[:20], "few"), encoded(TEXTS, "many")
    for split in SPLITS:
        some = read_documents(few, split)
        assert read_documents(many, split)[: len(some)] == some


def test_about_the_share_is_held_out() -> None:
    held_out = sum(is_validation(str(number), 0.1) for number in range(20_000))
    assert 1_850 < held_out < 2_150


def test_a_larger_share_holds_out_the_same_documents_and_more() -> None:
    ids = [str(number) for number in range(1000)]
    small = {id for id in ids if is_validation(id, 0.1)}
    large = {id for id in ids if is_validation(id, 0.2)}
    assert small < large


def test_counts_are_those_of_the_files() -> None:
    out = encoded(TEXTS)
    meta = read_meta(out)
    metrics = json.loads(Path("tokens.json").read_text(encoding="utf-8"))
    for split in SPLITS:
        texts = of_split(TEXTS, split)
        counts = {
            "documents": len(texts),
            "tokens": (out / f"{split}.bin").stat().st_size // 2,
            "bytes": sum(len(text.encode()) for text in texts),
        }
        assert metrics[split] == counts
        assert meta[split] == {
            **counts,
            "sha256": file_sha256(out / f"{split}.bin"),
            "offsets_sha256": file_sha256(out / f"{split}.offsets.bin"),
        }
    size = sum(len(text.encode()) for text in TEXTS)
    tokenizer = load_tokenizer(Path("models/tokenizer"))
    tokens = sum(len(tokenizer.encode(text).ids) for text in TEXTS)
    assert metrics["bytes_per_token"] == round(size / tokens, 6)
    held_out = len(of_split(TEXTS, "val"))
    assert metrics["round_trip"] == {
        "texts": held_out,
        "texts_back": 1.0,
        "invalid_utf8_back": 1.0,
    }


def test_another_number_of_workers_gives_the_same_files(tmp_path: Path) -> None:
    found = []
    for workers in (1, 2):  # a process each: the number of threads is read once in a process
        root = tmp_path / str(workers)
        root.mkdir()
        write_project(root, f"encode.validation_share={SHARE}", workers=workers)
        write_corpus(root / "data/jsonl", TEXTS)
        write_tiny_tokenizer(root / "models/tokenizer")
        run_stage(root, "encode")
        found.append(file_bytes(root / "data/tokens"))
    assert found[0] == found[1] == file_bytes(encoded(TEXTS))


def test_worker_processes_give_the_same_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """They start for corpora of some size only."""
    here: list[str] = []
    real = encoding.encode_shard

    def noted(encoder: Any, shard: ListedShard, advance: Any) -> dict[str, Any]:
        here.append(shard.path.name)
        return real(encoder, shard, advance)

    monkeypatch.setattr(encoding, "encode_shard", noted)
    alone = encoded(TEXTS, "alone", workers=2)
    assert len(here) > 2
    here.clear()
    monkeypatch.setattr(encoding, "INLINE_BYTES", 0)
    shared = encoded(TEXTS, "shared", workers=2)
    assert not here
    assert file_bytes(shared) == file_bytes(alone)
    assert Path("shared.json").read_bytes() == Path("alone.json").read_bytes()


def test_ids_above_the_16_bits_take_32() -> None:
    bytes_of = byte_ids()
    merges = [
        Merge(bytes_of[left], bytes_of[right], FIRST_ID + number, 1, 1)
        for number, (left, right) in enumerate(product(range(255, -1, -1), range(256)))
    ]
    tokenizer = build_tokenizer(alphabet_order(), merges, r"[^\n]{1,9}|\n")
    write_tokenizer(Path("models/tokenizer"), tokenizer, merges)
    texts = [*TEXTS, "\x00\x7f"]
    out = encoded(texts)
    assert read_meta(out)["dtype"] == "<u4"
    largest = 0
    for split in SPLITS:
        ids = read_split(out, split).ids
        assert ids.dtype == numpy.dtype("uint32")
        largest = max(largest, int(ids.max()))
        decoded = [tokenizer.decode(document[1:]) for document in read_documents(out, split)]
        assert decoded == of_split(texts, split)
    assert largest == FIRST_ID + 255 * 256 + 0x7F > 65_535


@pytest.mark.parametrize(("share", "split"), [(1e-6, "val"), (1.0, "train")])
@pytest.mark.parametrize("count", [2, 3, 42])
def test_no_split_is_empty_however_small_the_corpus(share: float, split: str, count: int) -> None:
    texts = documents(count)
    out = encoded(texts, share=share)
    counts = {name: len(read_documents(out, name)) for name in SPLITS}
    assert counts.pop(split) == 1
    assert list(counts.values()) == [count - 1]


@given(st.sets(st.text(max_size=3), min_size=2), st.floats(0, 1))
def test_the_share_that_fits_is_the_one_asked_for_unless_a_split_is_empty(
    ids: set[str], share: float
) -> None:
    held_out = {id for id in ids if is_validation(id, share)}
    fitting = fitting_share(ids, share)
    assert 0 < sum(is_validation(id, fitting) for id in ids) < len(ids)
    if 0 < len(held_out) < len(ids):
        assert {id for id in ids if is_validation(id, fitting)} == held_out


@pytest.mark.parametrize("count", [1, 2])
def test_one_document_is_not_a_corpus_however_often_it_is_repeated(count: int) -> None:
    with pytest.raises(UserError, match="a single document, expected at least two"):
        encoded([record("x = 1"), {**record("x = 1"), "copy": 2}][:count])
    assert not Path("tokens").exists()


def test_a_tokenizer_that_loses_text_is_refused() -> None:
    path = Path("models/tokenizer/tokenizer.json")
    broken: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    broken["normalizer"] = {"type": "Lowercase"}
    path.write_text(json.dumps(broken), encoding="utf-8")
    with pytest.raises(UserError, match=r"does not give back tiny/\w+\.py unchanged.*`dvc repro"):
        encoded(["ABC def " * number for number in range(1, 20)])


def test_a_conversation_has_its_roles_around_its_texts() -> None:
    chats = [conversation(f"print({number})", "'s <|end|>", "x") for number in range(20)]
    tokenizer = load_tokenizer(Path("models/tokenizer"))
    out = encoded([*chats, *documents(20)])

    def ids(text: str) -> list[int]:
        return list(tokenizer.encode(text).ids)

    expected: dict[str, list[list[int]]] = {"train": [], "val": []}
    for number, chat in enumerate(chats):
        split = "val" if is_validation(chat["id"], SHARE) else "train"
        user, assistant = ROLE_IDS["user"], ROLE_IDS["assistant"]
        first = [END_OF_TEXT_ID, user, *ids(f"print({number})"), END_ID]
        second = [assistant, *ids("'s <|end|>"), END_ID]
        expected[split].append([*first, *second, user, *ids("x"), END_ID])
    for split, documents_of in expected.items():
        assert documents_of
        assert read_documents(out, split)[: len(documents_of)] == documents_of


def test_bytes_per_token_by_language_and_source_leave_special_tokens_out() -> None:
    texts = [
        {**record(text), "path": f"{number}.{suffix}", "source": suffix}
        for suffix in ("py", "JS", "zzz")
        for number, text in enumerate(documents(30))
    ]
    encoded(texts)
    found = json.loads(Path("tokens.json").read_text(encoding="utf-8"))
    tokenizer = load_tokenizer(Path("models/tokenizer"))
    lengths = [
        (
            len(text.encode()),
            len(tokenizer.encode(text).ids),
            is_validation(record(text)["id"], SHARE),
        )
        for text in documents(30)
    ]

    def ratio(parts: list[tuple[int, int, bool]]) -> float:
        return round(sum(part[0] for part in parts) / sum(part[1] for part in parts), 6)

    held_out = [part for part in lengths if part[2]]
    expected = {"all": ratio(lengths), "val": ratio(held_out)}
    assert found["bytes_per_token_by_language"] == dict.fromkeys(
        ("JavaScript", "Python", "other"), expected
    )
    assert found["bytes_per_token_by_source"] == dict.fromkeys(("JS", "py", "zzz"), expected)
    assert found["bytes_per_token"] == ratio(lengths)


def test_a_killed_encoding_goes_on_after_the_shards_that_are_encoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    texts = documents(80)
    whole = encoded(texts, "whole")
    real = encoding.encode_shard
    done: list[str] = []

    def dies_at_the_third(encoder: Any, shard: ListedShard, advance: Any) -> dict[str, Any]:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(shard.path.name)
        return real(encoder, shard, advance)

    monkeypatch.setattr(encoding, "encode_shard", dies_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        encoded(texts, "killed")
    (work,) = [path for path in (project_root() / ".work/encode").iterdir() if path.is_dir()]
    before = {name: (work / name / "facts.json").stat().st_mtime_ns for name in done}
    partial = (
        work / sorted({path.name for path in Path("jsonl-killed").glob("part-*")} - set(done))[0]
    )
    partial.mkdir()
    (partial / "train.bin").write_bytes(b"half a shard")  # as a SIGKILL leaves it
    after = {}

    def looks(encoder: Any, shard: ListedShard, advance: Any) -> dict[str, Any]:
        facts = real(encoder, shard, advance)
        name = shard.path.name
        if name in before:
            after[name] = (work / name / "facts.json").stat().st_mtime_ns
        return facts

    monkeypatch.setattr(encoding, "encode_shard", looks)
    encode_corpus(
        Encode(validation_share=SHARE),
        runtime(2),
        jsonl=Path("jsonl-killed"),
        tokenizer_folder=Path("models/tokenizer"),
        out=Path("killed"),
        metrics=Path("killed.json"),
    )
    assert after == before
    assert file_bytes(whole) == file_bytes(Path("killed"))
    assert Path("whole.json").read_bytes() == Path("killed.json").read_bytes()
