import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from stages.encode.config import Encode
from stages.encode.encoding import encode_corpus
from stages.evaluate.baselines import (
    gzip_bits_per_byte,
    gzip_size,
    texts,
    xz_bits_per_byte,
    xz_size,
)
from stages.evaluate.breakdown import document_bytes
from tests.tiny import (
    MODULES,
    conversation,
    documents,
    module_sources,
    runtime,
    write_corpus,
    write_tiny_tokenizer,
)
from tohum.formats.tokenizer import load_tokenizer
from tohum.formats.tokens import read_meta, read_split
from tohum.model.scoring import token_sizes

TEXTS = module_sources([*MODULES, "argparse", "ast", "enum", "inspect", "tokenize", "typing"])
DOCUMENTS = [text.encode() for text in [*TEXTS, *documents(20), "", "a", "a" * 100_000]]
NOISE = random.Random(0).randbytes(20_000)
# gzip 1.12 has a deflate of its own: beside zlib's, 61 files of the standard library differ by -20
# to +116 bytes, 0.82 % at most each and 0.07 % in all.
EACH_SHARE, ALL_SHARE = 0.01, 0.002


def piped(command: list[str], document: bytes) -> int:
    return len(subprocess.run(command, input=document, capture_output=True, check=True).stdout)


def need(program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not on this machine")


def test_gzip_sizes_are_close_to_those_of_the_program() -> None:
    need("gzip")
    documents = [*DOCUMENTS, NOISE]
    sizes = [(gzip_size(document), piped(["gzip", "-9n"], document)) for document in documents]
    for ours, theirs in sizes:
        assert abs(ours - theirs) <= EACH_SHARE * theirs
    total = sum(theirs for _, theirs in sizes)
    assert abs(sum(ours for ours, _ in sizes) - total) <= ALL_SHARE * total


def test_xz_sizes_are_those_of_the_program() -> None:
    need("xz")
    command = ["xz", "-9e", "--threads=1", "--stdout"]  # several threads write a larger header
    for document in [*DOCUMENTS, NOISE]:
        assert xz_size(document) == piped(command, document)


@pytest.mark.parametrize(
    ("bits_per_byte", "size"), [(gzip_bits_per_byte, gzip_size), (xz_bits_per_byte, xz_size)]
)
def test_each_document_is_compressed_alone(
    bits_per_byte: Callable[[list[bytes]], float], size: Callable[[bytes], int]
) -> None:
    document = DOCUMENTS[0]
    assert bits_per_byte([document] * 3) == 8 * size(document) / len(document)


def test_noise_takes_eight_bits_per_byte() -> None:
    assert 8 < gzip_bits_per_byte([NOISE]) < 8.1
    assert 8 < xz_bits_per_byte([NOISE]) < 8.1


MESSAGES = ["What is <|end|>?", "An <|endoftext|>\n", "é", "Ağaç"]
TALKS = [conversation(*MESSAGES[: number % 4 + 1], str(number)) for number in range(40)]


def test_gzip_and_xz_get_the_bytes_by_which_the_bits_of_the_model_are_divided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    tokens, tokenizer = tmp_path / "data/tokens", tmp_path / "models/tokenizer"
    write_tiny_tokenizer(tokenizer)
    encode_corpus(
        Encode(validation_share=0.5),
        runtime(),
        jsonl=write_corpus(tmp_path / "data/jsonl", [*documents(20), *TALKS]),
        tokenizer_folder=tokenizer,
        out=tokens,
        metrics=tmp_path / "encode.json",
    )
    split = read_split(tokens, "val")
    documents_of_split = texts(split, load_tokenizer(tokenizer))
    given = [len(document) for document in documents_of_split]
    assert given == document_bytes(split, token_sizes(load_tokenizer(tokenizer))).tolist()
    assert sum(given) == read_meta(tokens)["val"]["bytes"]
    talked = {"".join(message["content"] for message in talk["messages"]) for talk in TALKS}
    assert talked & {document.decode() for document in documents_of_split}
