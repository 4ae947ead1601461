import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stages.jsonl import corpus_shards
from stages.jsonl.config import Jsonl
from stages.jsonl.conversion import convert
from tests.tiny import raw_file, rules, runtime
from tohum.errors import UserError
from tohum.files import file_sha256
from tohum.formats.raw import write_raw
from tohum.formats.records import read_records, shard_paths

CONFIG = rules(max_bytes=100)
Files = list[tuple[str, bytes]]


class Project:
    """A folder with raw files to convert."""

    def __init__(self, root: Path) -> None:
        self.raw, self.out = root / "data" / "raw", root / "data" / "jsonl"
        self.metrics = root / "metrics" / "jsonl.json"
        self.work = root / ".work" / "jsonl"
        self.opt_out = root / "conf" / "opt_out.txt"
        self.fewest = 1

    def convert(self, files: Files, config: Jsonl = CONFIG) -> None:
        self.raw.mkdir(parents=True, exist_ok=True)
        write_raw(self.raw, "local", ((raw_file(*file), file[1]) for file in files), {})
        self.run(config)

    def run(self, config: Jsonl = CONFIG) -> None:
        convert(
            config,
            runtime(),
            raw=self.raw,
            out=self.out,
            metrics=self.metrics,
            plot=self.metrics.with_name("rules.csv"),
            opt_out=self.opt_out,
            fewest=self.fewest,
        )

    def refusal(self, files: Files, config: Jsonl) -> str:
        with pytest.raises(UserError) as caught:
            self.convert(files, config)
        return str(caught.value)

    def records(self) -> list[dict[str, Any]]:
        return [record for path in shard_paths(self.out) for record in read_records(path)]

    def contents(self) -> list[str]:
        return [record["content"] for record in self.records()]

    def dropped(self) -> list[dict[str, Any]]:
        lines = (self.out / "dropped.jsonl").read_text("utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def reasons(self) -> dict[str, str]:
        return {line["path"]: line["reason"] for line in self.dropped()}

    def counts(self) -> dict[str, Any]:
        counts: dict[str, Any] = json.loads(self.metrics.read_text())
        return counts


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path)


MIXED: Files = [
    ("z.py", b"first\n"),
    ("a.py", b"\xef\xbb\xbfmark\r\n"),
    ("latin.py", b"# coding: latin-1\n# \xe9\n"),
    ("latin.txt", b"\xe9\n"),
    ("copy.py", b"first\r\n"),
    ("long.py", b"x" * 101),
    ("empty.py", b""),
]


def test_documents_are_text_with_line_feeds_in_input_order(project: Project) -> None:
    project.convert(MIXED)
    assert project.contents() == ["first\n", "mark\n", "# coding: latin-1\n# é\n"]


def test_a_record_says_where_its_text_came_from(project: Project) -> None:
    project.convert(MIXED)
    assert project.records()[1] == {
        "content": "mark\n",
        "id": hashlib.sha1(b"\xef\xbb\xbfmark\r\n").hexdigest(),  # of the bytes as they were found
        "source": "local",
        "path": "a.py",
        "repo": "repo",
        "license": "MIT",
    }


def test_every_dropped_file_is_listed_with_its_reason(project: Project) -> None:
    project.convert(MIXED)
    assert project.reasons() == {
        "latin.txt": "undecodable",
        "copy.py": "duplicate",
        "long.py": "longer than max_bytes",
        "empty.py": "shorter than min_bytes",
    }
    assert project.dropped()[0] == {
        "path": "latin.txt",
        "repo": "repo",
        "id": hashlib.sha1(b"\xe9\n").hexdigest(),
        "reason": "undecodable",
        "bytes": 0,
        "detail": "neither UTF-8 nor an encoding that it declares",
    }


def test_the_counts_add_up_to_the_files(project: Project) -> None:
    project.convert(MIXED)
    counts = project.counts()
    assert counts["files"] == len(MIXED)
    assert counts["documents"] == len(project.records()) == 3
    lost = counts["missing"] + counts["corrupt"] + counts["undecodable"]
    filtered = sum(counts["filtered"].values())
    assert counts["documents"] + lost + filtered == counts["files"]
    assert lost + filtered == len(project.dropped())
    assert counts["bytes"] == sum(len(text.encode()) for text in project.contents())
    assert counts["shards"] == 1


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_the_manifest_is_true(project: Project, compression: str) -> None:
    files = [(f"{number}.py", f"document {number}\n".encode() * 5) for number in range(60)]
    project.convert(files, replace(CONFIG, shard_bytes=1024, compression=compression))
    manifest = json.loads((project.out / "manifest.json").read_text())
    assert manifest["raw_manifest_sha256"] == file_sha256(project.raw / "manifest.jsonl")
    paths = shard_paths(project.out)
    assert [shard["name"] for shard in manifest["shards"]] == [path.name for path in paths]
    assert len(paths) == project.counts()["shards"] > 3
    for shard, path in zip(manifest["shards"], paths, strict=True):
        assert shard["sha256"] == file_sha256(path)
        assert shard["bytes"] == path.stat().st_size
        assert shard["documents"] == len(list(read_records(path)))
    assert len(project.records()) == 60


def test_origins_and_manifest_have_the_stated_licence_and_its_expression(project: Project) -> None:
    stated = ["MIT License", "MIT License", "BSD License", None]
    files = [(f"{number}.py", f"document {number}\n".encode()) for number in range(len(stated))]
    project.raw.mkdir(parents=True)
    described = [
        (replace(raw_file(*file), license=license), file[1])
        for file, license in zip(files, stated, strict=True)
    ]
    write_raw(project.raw, "local", iter(described), {})
    project.run()
    assert [record["license"] for record in project.records()] == stated
    lines = (project.out / "origins.jsonl").read_text("utf-8").splitlines()
    assert [
        (origin["license"], origin["spdx"], origin["documents"])
        for origin in map(json.loads, lines)
    ] == [(None, None, 1), ("BSD License", None, 1), ("MIT License", "MIT", 2)]
    manifest = json.loads((project.out / "manifest.json").read_text())
    assert manifest["licenses"] == {
        "MIT License": {"spdx": "MIT", "documents": 2, "bytes": 22},
        "BSD License": {"spdx": None, "documents": 1, "bytes": 11},
        "unknown": {"spdx": None, "documents": 1, "bytes": 11},
    }


def test_limits_are_inclusive_and_count_utf_8_bytes(project: Project) -> None:
    files = [("3", b"abc"), ("4", "éé".encode()), ("5", b"abcde"), ("6", "ééé".encode())]
    project.convert(files, replace(CONFIG, min_bytes=4, max_bytes=5))
    assert project.contents() == ["éé", "abcde"]
    assert project.reasons() == {"3": "shorter than min_bytes", "6": "longer than max_bytes"}


def test_limits_hold_for_the_normalised_text(project: Project) -> None:
    project.convert([("a", b"a\r\n\r\n\r\n"), ("b", b"b")], replace(CONFIG, max_bytes=4))
    assert project.contents() == ["a\n\n\n", "b"]


def test_the_first_of_equal_documents_stays(project: Project) -> None:
    project.convert([("one.py", b"same\n"), ("two.py", b"same\r"), ("three.py", b"same\n")])
    assert [record["path"] for record in project.records()] == ["one.py"]
    assert project.reasons() == {"two.py": "duplicate", "three.py": "duplicate"}


def test_the_same_files_make_the_same_bytes(project: Project) -> None:
    project.convert(MIXED)
    first = {path.name: path.read_bytes() for path in project.out.iterdir()}
    project.convert(MIXED)
    assert {path.name: path.read_bytes() for path in project.out.iterdir()} == first
    assert set(first) == {"corpus.jsonl", "dropped.jsonl", "manifest.json", "origins.jsonl"}


def test_a_share_of_undecodable_files_at_the_limit_is_allowed(project: Project) -> None:
    files = [("bad.txt", b"\xff"), *((f"{number}.txt", b"%d" % number) for number in range(3))]
    project.convert(files, replace(CONFIG, max_lost_share=0.25))
    assert project.counts()["undecodable"] == 1


@pytest.mark.parametrize(("bad", "good"), [(1, 3), (3, 4), (1, 12), (1, 30)])
def test_a_few_of_a_small_corpus_may_be_lost_and_are_told(
    project: Project, bad: int, good: int, caplog: pytest.LogCaptureFixture
) -> None:
    files = [(f"bad{number}.txt", b"\xff%d" % number) for number in range(bad)]
    files += [(f"{number}.txt", b"%d" % number) for number in range(good)]
    project.convert(files, replace(CONFIG, max_lost_share=0.01))
    assert project.counts()["undecodable"] == bad
    assert f"{bad} of {bad + good} documents of 'local' are lost ({bad} undecodable)" in caplog.text
    assert "bad0.txt" in caplog.text
    project.refusal(files, replace(CONFIG, max_lost_share=0))


@pytest.mark.parametrize(("bad", "good"), [(4, 300), (3, 3), (3, 2)])
def test_too_many_undecodable_files_are_refused(project: Project, bad: int, good: int) -> None:
    files = [(f"bad{number}.txt", b"\xff%d" % number) for number in range(bad)]
    files += [(f"{number}.txt", b"%d" % number) for number in range(good)]
    told = project.refusal(files, replace(CONFIG, max_lost_share=0.01))
    assert told.startswith(
        f"{bad} of {bad + good} documents of 'local' are lost ({bad} undecodable)"
    )
    assert "jsonl.max_lost_share (1.0%)" in told
    assert "Raise the share" in told
    assert not project.out.exists()
    assert not project.metrics.exists()


@pytest.mark.parametrize("files", [[], [("a.py", b"short\n")]])
def test_an_empty_corpus_is_refused_with_what_to_check(project: Project, files: Files) -> None:
    told = project.refusal(files, replace(CONFIG, min_bytes=50))
    assert told.startswith(f"the corpus is empty: none of {len(files)} documents made a record")
    assert "the rules in the section jsonl" in told
    assert not project.out.exists()


def test_a_failed_conversion_leaves_the_last_output_as_it_was(project: Project) -> None:
    project.convert(MIXED)
    before = {path.name: path.read_bytes() for path in project.out.iterdir()}
    archive = project.raw / "part-00000.tar"
    archive.write_bytes(archive.read_bytes().replace(b"x" * 101, b"y" * 101))
    with pytest.raises(UserError, match=r"long\.py does not have the SHA-256"):
        project.run()
    assert {path.name: path.read_bytes() for path in project.out.iterdir()} == before


def test_a_conversion_after_a_failed_one_holds_nothing_of_it(project: Project) -> None:
    project.raw.mkdir(parents=True)
    write_raw(project.raw, "local", ((raw_file(*file), file[1]) for file in MIXED), {})
    archive = project.raw / "part-00000.tar"
    good = archive.read_bytes()
    archive.write_bytes(good.replace(b"x" * 101, b"y" * 101))
    with pytest.raises(UserError):
        project.run()
    archive.write_bytes(good)
    project.run()
    assert len(project.contents()) == 3
    assert len(project.dropped()) == 4
    assert [path.suffix for path in project.work.iterdir()] in ([], [".lock"])


def test_a_conversion_that_was_killed_while_it_wrote_goes_on_after_the_finished_shards(
    project: Project, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    files = [(f"{number}.py", f"document {number}\n".encode() * 5) for number in range(60)]
    config = replace(CONFIG, shard_bytes=1024)
    project.convert(files, config)
    whole = {path.name: path.read_bytes() for path in project.out.iterdir()}
    real, written = corpus_shards.write_lines, list[str]()
    last = 4

    def write_lines(path: Path, spans: Iterator[corpus_shards.Span]) -> tuple[str, int]:
        if len(written) == last:
            raise KeyboardInterrupt
        written.append(path.name)
        return real(path, spans)

    monkeypatch.setattr(corpus_shards, "write_lines", write_lines)
    with pytest.raises(KeyboardInterrupt):
        project.run(config)
    [damaged] = project.work.rglob(f"shards/{written[1]}")
    damaged.write_bytes(damaged.read_bytes()[:-1])
    last = 100
    project.run(config)
    assert {path.name: path.read_bytes() for path in project.out.iterdir()} == whole
    assert f"{damaged.name} was damaged after it was written" in caplog.text
    paths = shard_paths(project.out)
    assert sorted(written) == sorted([*(path.name for path in paths), damaged.name])


@pytest.mark.parametrize("copies", [1, 2])
def test_a_corpus_of_fewer_documents_than_needed_is_refused(project: Project, copies: int) -> None:
    project.fewest = 2
    told = project.refusal([("a.txt", b"a"), ("b.txt", b"a")], replace(CONFIG, weight=copies))
    assert told.startswith("the corpus has 1, expected at least 2, as one is held out")
    assert "1 duplicate" in told
    project.convert([("a.txt", b"a"), ("b.txt", b"b")])


def test_lines_of_the_opt_out_list_that_match_nothing_are_told(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    project.opt_out.parent.mkdir()
    project.opt_out.write_text("path a.txt\nrepo acme/secret\npath b.*\n")
    project.convert([("a.txt", b"a"), ("b.txt", b"b"), ("c.txt", b"c")])
    assert {line["detail"] for line in project.dropped()} == {
        "conf/opt_out.txt, line 1",
        "conf/opt_out.txt, line 3",
    }
    assert "line 2: `repo acme/secret` matches no document" in caplog.text
    assert "line 1" not in caplog.text
