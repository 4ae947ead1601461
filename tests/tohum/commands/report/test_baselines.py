import random
import shutil
import subprocess
from collections.abc import Callable

import pytest

from tests.tiny import MODULES, documents, module_sources
from tohum.commands.report.baselines import gzip_bits_per_byte, gzip_size, xz_bits_per_byte, xz_size

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
