import random
import shutil
import subprocess
from pathlib import Path

import numpy
import pytest

from stages.evaluate.ngrams import Ngrams
from stages.evaluate.trained_baselines import ppmd_size, trained_baselines, zstd_size
from stages.evaluate.training_text import spread, text_of
from tests.tiny import documents, module_sources, write_tiny_tokenizer, write_tokens
from tohum.formats.tokenizer import load_tokenizer, token_bytes
from tohum.formats.tokens import read_split
from tohum.model.scoring import token_sizes

TEXT = "".join(module_sources()).encode()
NOISE = random.Random(0).randbytes(5_000)


def test_what_stands_in_the_training_text_takes_next_to_nothing() -> None:
    known, new = [TEXT[2_000:6_000], TEXT[-3_000:]], [NOISE, b"x"]
    for size in (zstd_size, ppmd_size):
        assert size(TEXT, known) < 0.05 * 7_000
        assert size(TEXT, known) < 0.2 * size(b"", known)
        assert 5_000 < size(TEXT, new) < 6_000


def test_zstd_reaches_the_beginning_of_the_text_and_compresses_each_document_alone() -> None:
    start = TEXT[:500]
    assert zstd_size(TEXT + NOISE * 20, [start]) < 60
    assert zstd_size(TEXT, [start, NOISE, start]) == zstd_size(TEXT, [start]) * 2 + zstd_size(
        TEXT, [NOISE]
    )


def test_zstd_sizes_are_about_those_of_the_program(tmp_path: Path) -> None:
    if shutil.which("zstd") is None:
        pytest.skip("zstd is not on this machine")
    (tmp_path / "text").write_bytes(TEXT)
    document = module_sources(("argparse",))[0].encode()
    (tmp_path / "document").write_bytes(document)
    command = ["zstd", "-19", "--patch-from=text", "--stdout", "document"]
    done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert zstd_size(TEXT, [document]) == pytest.approx(len(done.stdout), rel=0.02)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("baselines")
    write_tiny_tokenizer(root / "tokenizer")
    write_tokens(root / "tokens", root / "tokenizer", documents(50), documents(55)[50:])
    return root


def test_a_limit_reads_whole_documents_spread_over_the_corpus(root: Path) -> None:
    split = read_split(root / "tokens", "train")
    tokenizer = load_tokenizer(root / "tokenizer")
    sizes, vocabulary = token_sizes(tokenizer), token_bytes(tokenizer)
    every = [text_of(ids, vocabulary).decode() for ids in spread(split, sizes, split.bytes)]
    assert every == documents(50)
    some = [text_of(ids, vocabulary).decode() for ids in spread(split, sizes, split.bytes // 3)]
    assert split.bytes // 6 < len("".join(some).encode()) <= split.bytes // 3
    places = [every.index(text) for text in some]
    assert places == sorted(places)
    assert max(places) > 40
    assert spread(split, sizes, 0) == []


def test_every_baseline_has_a_figure(root: Path) -> None:
    tokenizer = load_tokenizer(root / "tokenizer")
    train, val = (read_split(root / "tokens", name) for name in ("train", "val"))
    read = spread(train, token_sizes(tokenizer), train.bytes)
    ngrams = Ngrams(numpy.concatenate(read), 300, 32)
    figures = trained_baselines(read, ngrams, val, tokenizer)
    assert list(figures) == ["zstd -19", "PPMd order 10", "5-gram"]
    assert all(0 < value < 8 for value in figures.values())
    assert figures == trained_baselines(read, ngrams, val, tokenizer)
