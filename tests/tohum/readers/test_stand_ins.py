"""Pointers and pages that are in the place of data are named under any suffix."""

import gzip
from pathlib import Path

import pytest

from tests.tohum.readers.reading import write
from tohum.errors import UserError
from tohum.readers import detect

POINTER = (
    "version https://git-lfs.github.com/spec/v1\n"
    "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\n"
    "size 12345678\n"
)
PAGE = "<!DOCTYPE html>\n<html><head>\n<title>Sign in\n to  GitHub</title></head></html>"
STAND_INS = {
    POINTER: r"is a Git LFS pointer: the 12,345,678 bytes .* `git lfs pull`",
    POINTER.replace("\n", "\r\n"): r"is a Git LFS pointer: the 12,345,678 bytes",
    PAGE: r"is a web page, 'Sign in to GitHub', not data",
    "\ufeff \n<HTML lang='tr'>": "is a web page, not data",
    "<!-- saved from url=(0014)about:internet -->\n<html>": "is a web page",
    "<?xml version='1.0'?><!DOCTYPE html PUBLIC ''><html>": "is a web page",
    "<?xml version='1.0'?>\n<Error><Code>AccessDenied</Code></Error>": "error, 'AccessDenied'",
    "/annex/objects/MD5E-s7--2c3.csv\n": "git-annex pointer",
}
NAMES = ["a.jsonl", "a.json", "a.csv", "a.tsv", "a.parquet", "a.arrow", "a.jsonl.gz", "a.csv.zst"]


@pytest.mark.parametrize("name", [*NAMES, "rows"])
@pytest.mark.parametrize("content", STAND_INS)
def test_what_is_in_the_place_of_data_is_named(tmp_path: Path, name: str, content: str) -> None:
    with pytest.raises(UserError, match=rf"{name} .*{STAND_INS[content]}"):
        detect(write(tmp_path / name, content))


def test_a_page_is_named_in_any_encoding_and_compression(tmp_path: Path) -> None:
    for content in (PAGE.encode("utf-16"), gzip.compress(PAGE.encode())):
        with pytest.raises(UserError, match="'Sign in to GitHub'"):
            detect(write(tmp_path / "a.jsonl", content))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "html,text\n<html>,x\n"),
        ("a.jsonl", '{"text": "version https://git-lfs.github.com/spec/v1"}\n'),
        ("a.csv", "text\n<!DOCTYPE html>\n"),
    ],
)
def test_rows_about_pages_and_pointers_are_data(tmp_path: Path, name: str, content: str) -> None:
    assert detect(write(tmp_path / name, content)).format == name[2:]
