"""Data files of other people's columns and encodings, through download and jsonl."""

import gzip
import json
import random
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pyarrow
import pyarrow.parquet
import pytest
import xlsxwriter

from stages.download.downloading import download
from stages.jsonl import candidates, conversion
from stages.jsonl.candidates import row_units
from stages.jsonl.config import Jsonl
from stages.jsonl.conversion import convert
from stages.jsonl.writing import take_shards
from tests.processes import PATIENCE
from tests.tiny import file_bytes, rules, runtime, start_stage, write_project
from tohum.errors import UserError
from tohum.files import file_sha256
from tohum.formats.records import read_records, shard_paths
from tohum.sources.config import MixSource, Source
from tohum.sources.files import FilesSource
from tohum.sources.local import LocalSource

pytestmark = pytest.mark.slow


WORDS = [f"word{chr(97 + number % 26)}{number}" for number in range(3000)]
SORU = 'soru;cevap\r\nBaşkent neresi?;Ankara\r\n"Kaç\nyıl?";"Çok; ""uzun"" sürdü"\r\n'


class Project:
    """A folder with data files to bring to records."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.raw, self.out = root / "data" / "raw", root / "data" / "jsonl"
        self.metrics = root / "metrics" / "jsonl.json"
        self.plot = root / "plots" / "jsonl.csv"
        self.opt_out = root / "conf" / "opt_out.txt"

    def write(self, name: str, content: bytes | str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def convert(
        self,
        config: Jsonl | None = None,
        source: Source | MixSource | None = None,
        workers: int = 1,
    ) -> list[dict[str, Any]]:
        """Returns the records of the files in `in`, or of another source."""
        download(source or FilesSource("files", ["in"], "CC0-1.0"), self.raw, runtime())
        self.run(config, workers)
        return [record for path in shard_paths(self.out) for record in read_records(path)]

    def run(self, config: Jsonl | None = None, workers: int = 1) -> None:
        """Runs the stage on what was downloaded."""
        convert(
            config or rules(),
            runtime(workers),
            raw=self.raw,
            out=self.out,
            metrics=self.metrics,
            plot=self.plot,
            opt_out=self.opt_out,
        )

    def counts(self) -> dict[str, Any]:
        counts: dict[str, Any] = json.loads(self.metrics.read_text())
        return counts

    def dropped(self) -> list[dict[str, Any]]:
        lines = (self.out / "dropped.jsonl").read_text("utf-8").splitlines()
        return [json.loads(line) for line in lines]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path)


def lines(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def prose(chance: random.Random) -> str:
    return "\n".join(" ".join(chance.choices(WORDS, k=8)) for _ in range(15))


def exchanges(records: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    return [tuple(message["content"] for message in record["messages"]) for record in records]


def test_differing_names_in_one_file_are_brought_to_one(project: Project) -> None:
    project.write(
        "in/a.jsonl", lines({"promt": "p", "content": "c"}, {"request": "q", "response": "r"})
    )
    records = project.convert()
    assert exchanges(records) == [("p", "c"), ("q", "r")]
    roles = [[message["role"] for message in record["messages"]] for record in records]
    assert roles == [["user", "assistant"]] * 2


def test_a_record_says_where_its_row_stands(project: Project) -> None:
    project.write("in/a.jsonl", lines({"text": "one"}, {"text": "two", "license": "MIT"}))
    records = project.convert()
    assert [(record["path"], record["license"]) for record in records] == [
        ("a.jsonl#1", "CC0-1.0"),
        ("a.jsonl#2", "MIT"),
    ]
    assert {record["source"] for record in records} == {"files"}
    assert list(records[0]) == ["content", "id", "source", "path", "repo", "license"]


@pytest.mark.parametrize("encoding", ["cp1254", "utf-8", "utf-8-sig", "utf-16"])
def test_an_excel_export_of_turkish_text(project: Project, encoding: str) -> None:
    project.write("in/sorular.csv", SORU.encode(encoding))
    assert exchanges(project.convert()) == [
        ("Başkent neresi?", "Ankara"),
        ("Kaç\nyıl?", 'Çok; "uzun" sürdü'),
    ]


def test_what_each_file_was_read_as_is_logged_and_counted(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    polish = "pytanie;answer\nKto późno przyjeżdża?;Każdy, kto się dziś spóźnił, więc ty też\n"
    project.write("in/a.csv", SORU.encode("cp1254"))
    project.write("in/b.tsv", "soru\tcevap\nne?\tşu\n")
    project.write("in/c.csv", polish.replace("pytanie", "soru").encode("cp1250"))
    project.write("in/d.jsonl", lines({"soru": "ne?", "cevap": "bu"}))
    with caplog.at_level("INFO"):
        records = project.convert()
    assert exchanges(records)[-2][1].startswith("Każdy, kto się dziś spóźnił")
    assert project.counts()["read"] == {
        "files": {
            "delimiter": {"semicolon": 2, "tab": 1},
            "encoding": {"cp1250": 1, "cp1254": 1, "utf-8": 2},
            "format": {"csv": 2, "jsonl": 1, "tsv": 1},
        }
    }
    logged = [each.getMessage() for each in caplog.records if ": format " in each.getMessage()]
    assert len(logged) == 4
    assert "encoding cp1250: not UTF-8" in logged[2] and "fit Polish" in logged[2]
    before = project.metrics.read_bytes()
    project.convert(workers=2)
    assert project.metrics.read_bytes() == before


def test_every_format_gives_the_same_documents(project: Project) -> None:
    rows = [{"text": f"belge {number}\nğüşiöç", "path": f"{number}.txt"} for number in range(5)]
    project.write("in/a.jsonl", lines(*rows))
    expected = [(row["text"], row["path"]) for row in rows]
    for name, content in (
        ("b.jsonl.gz", gzip.compress(lines(*rows).encode())),
        ("c.json", json.dumps(rows)),
        ("d.json", json.dumps({"data": rows}, ensure_ascii=False)),
    ):
        project.write(f"only/{name}", content)
        records = project.convert(source=FilesSource("files", [f"only/{name}"], None))
        assert [(record["content"], record["path"]) for record in records] == expected, name
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), project.root / "e.parquet")
    with xlsxwriter.Workbook(project.root / "f.xlsx") as book:
        sheet = book.add_worksheet("Sayfa1")
        for number, row in enumerate([{"text": "text", "path": "path"}, *rows]):
            sheet.write_row(number, 0, [row["text"], row["path"]])
    for name in ("e.parquet", "f.xlsx"):
        records = project.convert(source=FilesSource("files", [name], None))
        assert [(record["content"], record["path"]) for record in records] == expected, name


def test_configured_fields_join_columns_and_open_lists(project: Project) -> None:
    row = {
        "title": "T",
        "meta": {"lang": "tr"},
        "files": [{"c": "x", "p": "1"}, {"c": "y", "p": "2"}],
    }
    project.write("in/a.jsonl", lines(row))
    nested = rules(fields={"content": "files[].c", "path": "files[].p"})
    assert [(found["content"], found["path"]) for found in project.convert(nested)] == [
        ("x", "1"),
        ("y", "2"),
    ]
    joined = rules(fields={"content": "{title}\n\n{meta.lang}"})
    assert [found["content"] for found in project.convert(joined)] == ["T\n\ntr"]


def test_a_broken_line_is_told_with_its_number_and_tolerated_below_the_share(
    project: Project,
) -> None:
    rows = [json.dumps({"text": f"{number}"}) for number in range(200)]
    rows[122:126] = ['{"text": "cut'] * 4
    project.write("in/a.jsonl", "\n".join(rows))
    records = project.convert(rules(max_lost_share=0.02))
    assert len(records) == 196
    dropped = project.dropped()[0]
    assert (dropped["path"], dropped["reason"]) == ("a.jsonl#123", "broken")
    assert project.counts()["broken"] == 4
    with pytest.raises(UserError, match=r"4 of 200 documents of 'files' are lost .*a\.jsonl#123"):
        project.convert(rules(max_lost_share=0.019))


def test_a_broken_line_is_told_by_its_own_characters(project: Project) -> None:
    project.write("in/a.jsonl", '{"text": "a"}\n{"text": x}\n')
    project.convert(rules(max_lost_share=1))

    [dropped] = (project.out / "dropped.jsonl").read_text().splitlines()
    assert json.loads(dropped)["detail"].endswith(", at its character 10")


def test_ambiguous_columns_are_refused_with_the_choices(project: Project) -> None:
    project.write("in/a.jsonl", lines({"text": "a", "code": "b"}))
    with pytest.raises(UserError) as caught:
        project.convert()
    assert "jsonl.fields" in str(caught.value)
    assert "text" in str(caught.value) and "code" in str(caught.value)


def test_an_ambiguity_names_the_file(project: Project) -> None:
    project.write("in/a.jsonl", lines({"text": "a"}))
    project.write("in/b.jsonl", lines({"text": "a", "content": "b"}))

    with pytest.raises(UserError, match=r"b\.jsonl, row 1: the columns text, content can be read"):
        project.convert()


def test_a_corpus_that_is_empty_says_why_and_how_to_find_the_fields(project: Project) -> None:
    project.write("in/a.jsonl", lines({"files": [{"content": "x"}]}, {"files": []}))

    with pytest.raises(UserError, match=r"documents made a record \(2 broken\)") as caught:
        project.convert()
    assert "The first: a.jsonl#1: no known column among files." in str(caught.value)
    assert "`tohum inspect PATH`" in str(caught.value)


def test_rows_without_a_text_are_counted_not_guessed(project: Project) -> None:
    project.write("in/a.jsonl", lines({"text": "a"}, {"text": None}, {"other": 1}, {"text": [5]}))
    assert [found["content"] for found in project.convert()] == ["a"]
    assert project.counts()["broken"] == 2
    assert project.counts()["filtered"] == {"no text": 1}
    assert [line["path"] for line in project.dropped()] == ["a.jsonl#2", "a.jsonl#3", "a.jsonl#4"]


def chat(*contents: str | None) -> dict[str, Any]:
    roles = ("system", "user", "assistant", "user", "assistant")
    messages = zip(roles, contents, strict=False)
    return {"messages": [{"role": role, "content": content} for role, content in messages]}


def test_an_empty_system_message_or_last_turn_costs_no_conversation(project: Project) -> None:
    rows = [chat("", f"q{n}", f"a{n}") for n in range(3)]
    rows += [chat(None, f"q{n}", f"a{n}", f"r{n}", " ") for n in range(3, 6)]
    project.write("in/a.jsonl", lines(*rows))

    found = exchanges(project.convert())
    assert found == [(f"q{n}", f"a{n}", f"r{n}")[: 2 + n // 3] for n in range(6)]
    assert project.counts()["broken"] == 0
    assert project.counts()["filtered"] == {}


@pytest.mark.parametrize(
    "lost",
    [
        chat("s", "q", ""),
        chat("s", None, "a"),
        chat("s", "q", "a", " ", "b"),
        {"soru": "q", "cevap": ""},
        {"prompt": "q", "completion": []},
    ],
)
def test_a_question_that_was_never_answered_is_lost_not_filtered(
    project: Project, lost: dict[str, Any]
) -> None:
    kept = [chat("s", f"q{n}", "a") for n in range(36)]
    project.write("in/a.jsonl", lines(*kept, *[lost] * 4))

    with pytest.raises(UserError, match=r"4 of 40 documents .* are lost \(4 broken\).*no text in"):
        project.convert(rules(max_lost_share=0.09))
    assert len(project.convert(rules(max_lost_share=0.1))) == 36
    assert project.counts()["filtered"] == {}


def test_rows_that_are_single_messages_stop_the_stage_with_the_choices(project: Project) -> None:
    project.write("in/a.csv", "message_id,parent_id,text,role\n1,,x,prompter\n2,1,y,assistant\n")

    with pytest.raises(UserError, match=r"a\.csv, row 2: .*each row is one message") as refusal:
        project.convert()
    assert """'jsonl.fields={content: "{role}: {text}"}'""" in str(refusal.value)


def test_the_number_of_workers_changes_no_byte(project: Project) -> None:
    chance = random.Random(5)
    for number in range(7):
        texts = [{"text": str(chance.getrandbits(chance.randint(0, 900)))} for _ in range(300)]
        project.write(f"in/{number}.jsonl", lines(*texts))
    config = rules(shard_bytes=20_000, near_duplicates=0.7, min_bytes=3)
    project.convert(config, workers=1)
    one = file_bytes(project.out)
    project.convert(config, workers=3)
    assert file_bytes(project.out) == one


def test_every_rule_is_in_the_table_and_adds_up(project: Project) -> None:
    mail, key = "me@firma.com.tr", "AKIA" + "Q3T7RZP2MWVX4ABC"
    texts = [
        "def f(a, b):\n    return a + b\n",
        "x = 1\n" * 3 + "y" * 2000,
        "# This file was automatically generated, do not edit\nx = 1\n",
        "0 1 2 3 4 5 6 7 8 9 " * 20,
        f"write to {mail} with the key {key} today\n",
        "def f(a, b):\n    return a + b\n",
    ]
    project.write("in/a.jsonl", lines(*({"text": text, "path": "a.py"} for text in texts)))
    config = rules(
        max_line_length=1000,
        min_alphabetic_share=0.25,
        drop_autogenerated=True,
        drop_encoded=True,
        redact=["emails", "secrets"],
    )
    records = project.convert(config)
    counts = project.counts()
    assert len(records) == 2
    assert mail not in records[1]["content"] and key not in records[1]["content"]
    assert counts["redacted"] == 2
    table = [line.split(",") for line in project.plot.read_text().splitlines()]
    assert table[0] == ["rule", "documents", "bytes"]
    assert {rule: int(documents) for rule, documents, _ in table[1:]} == counts["filtered"]
    dropped = project.dropped()
    assert Counter(line["reason"] for line in dropped) == counts["filtered"]
    for rule, _, size in table[1:]:
        assert int(size) == sum(line["bytes"] for line in dropped if line["reason"] == rule)
    assert counts["files"] == len(texts) == len(records) + len(dropped)


def test_what_is_opted_out_is_dropped_and_listed(project: Project) -> None:
    rows = [{"text": f"t{number}", "repo": f"o/{number}"} for number in range(3)]
    project.write("in/a.jsonl", lines(*rows))
    project.write("conf/opt_out.txt", "repo o/1\n")
    assert [record["content"] for record in project.convert()] == ["t0", "t2"]
    assert [(line["repo"], line["reason"]) for line in project.dropped()] == [("o/1", "opted out")]


def two_sources(project: Project) -> MixSource:
    project.write("code/one.py", "print('one')\n")
    project.write("code/two.py", "print('two')\n")
    project.write("qa/a.csv", SORU)
    code = LocalSource("local", "code", "MIT", [], [], 10**6, 10**6, 10**9)
    return MixSource("mix", {"code": code, "qa": FilesSource("files", ["qa"], "CC0-1.0")})


def test_sources_are_mixed_each_with_its_own_rules_and_counted(project: Project) -> None:
    mix = two_sources(project)
    own = {"qa": {"fields": {"user": "soru", "assistant": "cevap"}, "weight": 2}}
    records = project.convert(rules(sources=own, min_bytes=2), mix)
    assert Counter(record["source"] for record in records) == {"code": 2, "qa": 4}
    assert [record.get("copy") for record in records if record["source"] == "qa"].count(2) == 2
    counts = project.counts()
    assert {name: count["documents"] for name, count in counts["sources"].items()} == {
        "code": 2,
        "qa": 4,
    }
    assert counts["bytes"] == sum(count["bytes"] for count in counts["sources"].values())
    assert (counts["files"], counts["documents"], counts["copies"]) == (4, 6, 2)
    assert counts["read"]["qa"]["encoding"] == {"utf-8": 1}
    assert set(counts["read"]) == {"qa"}
    manifest = json.loads((project.out / "manifest.json").read_text())
    assert set(manifest["sources"]) == {"code", "qa"}
    assert {name: count["documents"] for name, count in manifest["licenses"].items()} == {
        "MIT": 2,
        "CC0-1.0": 4,
    }


def test_a_rule_of_one_source_leaves_the_others_alone(project: Project) -> None:
    mix = two_sources(project)
    records = project.convert(rules(sources={"code": {"min_bytes": 1000}}), mix)
    assert {record["source"] for record in records} == {"qa"}
    with pytest.raises(UserError, match=r"jsonl\.sources\.qa\.fields"):
        project.convert(rules(sources={"qa": {"fields": {"content": "{soru"}}}), mix)


def test_the_share_that_refuses_a_source_is_named_and_raising_it_loses_no_finished_work(
    project: Project,
) -> None:
    mix = two_sources(project)
    project.write("qa/b.jsonl", '{"text": "a"}\nbroken\n')
    refused = {"qa": {"max_lost_share": 0}, "code": {"weight": 2}}
    with pytest.raises(UserError, match=r"more than jsonl\.sources\.qa\.max_lost_share \(0\.0%\)"):
        project.convert(rules(sources=refused, shard_bytes=1024), mix)
    work = project.root / ".work" / "jsonl"
    done = {path: path.stat().st_mtime_ns for path in work.rglob("*.json")}
    assert {path.parent.name for path in done} == {"qa", "code", "shards"}
    times: dict[Path, int] = {}

    def looks(*values: Any) -> None:
        times.update({path: path.stat().st_mtime_ns for path in done})
        take_shards(*values)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conversion, "take_shards", looks)
        allowed = {**refused, "qa": {"max_lost_share": 0.5}}
        assert project.convert(rules(sources=allowed, shard_bytes=1024), mix)
    assert times == done
    project.write("code/three.py", b"\xff")
    with pytest.raises(UserError, match=r"more than jsonl\.max_lost_share \(0\.0%\)"):
        project.convert(rules(sources=allowed, max_lost_share=0), mix)


@pytest.mark.parametrize("name", ["a\u2028b.jsonl", "a\x85b.jsonl", "a\x0bb.jsonl"])
def test_a_name_may_have_what_ends_a_line_in_unicode(project: Project, name: str) -> None:
    project.write(f"in/{name}", lines({"text": "t"}))
    [record] = project.convert()
    assert record["content"] == "t"
    assert record["path"].startswith(name)


def test_many_copies_need_no_more_open_files(project: Project) -> None:
    """A weight of 300 takes every document 300 times, and two shards are written at a time."""
    resource = pytest.importorskip("resource")
    project.write("in/a.jsonl", lines(*({"text": f"document {number}"} for number in range(40))))
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, limits[1]), limits[1]))
    try:
        records = project.convert(rules(weight=300, shard_bytes=50_000), workers=4)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert len(records) == 40 * 300


def test_killed_at_any_moment_the_stage_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    chance = random.Random(3)
    (tmp_path / "in").mkdir()
    for number in range(6):
        texts = [{"text": prose(chance)} for _ in range(1500)]
        (tmp_path / "in" / f"{number}.jsonl").write_text(lines(*texts))
    write_project(tmp_path, "source=files", "source.paths=[in]", "jsonl=clean", workers=2)
    for stage in ("download", "jsonl"):
        assert start_stage(tmp_path, stage).wait(PATIENCE) == 0
    expected = file_bytes(tmp_path / "data" / "jsonl")
    kills = 0
    for pause in [0.3 * 1.3**number for number in range(24)]:  # up to two minutes
        process = start_stage(tmp_path, "jsonl")
        time.sleep(pause)
        if process.poll() is not None:
            break
        workers = psutil.Process(process.pid).children()
        process.kill()
        process.wait()
        _, orphans = psutil.wait_procs(workers, timeout=PATIENCE)
        assert all(
            orphan.status() == psutil.STATUS_ZOMBIE for orphan in orphans if orphan.is_running()
        )
        kills += 1
    assert start_stage(tmp_path, "jsonl").wait(PATIENCE) == 0
    assert kills >= 3
    assert file_bytes(tmp_path / "data" / "jsonl") == expected


def test_a_huge_row_is_one_document(project: Project) -> None:
    text = "kod " * 5_000_000
    project.write("in/a.jsonl", lines({"text": "small"}, {"text": text}, {"text": "last"}))
    records = project.convert(replace(rules(), max_bytes=10**8))
    assert [len(record["content"]) for record in records] == [5, len(text), 4]


def test_a_damaged_column_that_no_field_takes_is_not_missed(project: Project) -> None:
    path = project.root / "in" / "a.parquet"
    path.parent.mkdir()
    table = pyarrow.table({"kod": [f"print({n})" for n in range(9)], "vector": ["ab" * 99] * 9})
    pyarrow.parquet.write_table(table, path, use_dictionary=False)
    chunk = pyarrow.parquet.read_metadata(path).row_group(0).column(1)
    content = bytearray(path.read_bytes())
    begin, size = chunk.data_page_offset, chunk.total_compressed_size
    content[begin : begin + size] = b"\xff" * size
    path.write_bytes(content)

    assert [each["content"] for each in project.convert()] == table["kod"].to_pylist()


def convert_three_files(project: Project) -> None:
    for name in "abc":
        project.write(f"in/{name}.jsonl", lines({"text": f"kod {name}"}))
    project.convert()


def test_the_next_data_file_is_hashed_while_one_is_read(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    convert_three_files(project)
    hashed: list[str] = []

    def noted(path: Path) -> str:
        hashed.append(path.name)
        return file_sha256(path)

    monkeypatch.setattr(candidates, "file_sha256", noted)
    blocks = row_units(project.raw, rules(), None, "jsonl", Counter())
    for read, begun in (("a", 2), ("b", 3), ("c", 3)):
        assert Path(next(blocks).file).name == f"{read}.jsonl"
        until = time.monotonic() + PATIENCE
        while len(hashed) < begun and time.monotonic() < until:
            time.sleep(0.01)
        assert hashed == ["a.jsonl", "b.jsonl", "c.jsonl"][:begun]


def test_a_damaged_data_file_ends_the_stage_before_it_is_read(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    convert_three_files(project)
    damaged = next(project.raw.rglob("b.jsonl"))
    damaged.write_bytes(damaged.read_bytes().replace(b"kod", b"kok"))
    with (
        caplog.at_level("INFO"),
        pytest.raises(UserError, match=r"b\.jsonl does not have the SHA-256 .* download") as told,
    ):
        project.run()
    assert "a.jsonl" not in str(told.value)
    assert "a.jsonl: " in caplog.text
    assert "b.jsonl: " not in caplog.text


def test_a_worker_process_imports_no_more_than_its_rules_need() -> None:
    started = "import sys, stages.jsonl.__main__, stages.jsonl.preparing as p; "
    told = 'print(sorted({"numba", "pyarrow", "torch", "requests"} & set(sys.modules)))'
    printed = subprocess.run(
        [sys.executable, "-c", started + told], capture_output=True, text=True, check=True
    )
    assert printed.stdout == "[]\n"


@pytest.mark.parametrize("name", ["in/a.jsonl", "in/a.jsonl.gz", "in/a.csv.gz"])
def test_a_row_beyond_the_largest_document_is_dropped_by_its_line(
    project: Project, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("tohum.readers.rows.LEAST_ROW_BYTES", 1000)
    table = ".csv" in name
    row = '"ilk {}";x\n' if table else '{{"text": "ilk {}"}}\n'
    content = "text;y\n" * table + row.format(1) + row.format("x" * 9000) + row.format(2)
    project.write(name, gzip.compress(content.encode()) if name.endswith("gz") else content)
    records = project.convert(rules(max_bytes=100, min_bytes=1, max_lost_share=0.5))

    assert sorted(record["content"] for record in records) == ["ilk 1", "ilk 2"]
    [dropped] = [
        json.loads(line) for line in (project.out / "dropped.jsonl").read_text().splitlines()
    ]
    assert dropped["path"] == f"{Path(name).name}#{3 if table else 2}"
    assert "longest row" in dropped["detail"]


def test_a_folder_of_spark_loses_no_row_for_its_empty_parts(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [{"text": f"satır {n} " * 9} for n in range(3)]
    project.write("in/_SUCCESS", "")
    project.write("in/part-00000.json", lines(*rows[:2]))
    project.write("in/part-00001.json", "")
    project.write("in/part-00002.json.gz", gzip.compress(b""))
    project.write("in/part-00003.csv", "\n\n")
    project.write("in/part-00004.json", lines(rows[2]))
    records = project.convert()

    assert sorted(record["content"] for record in records) == [row["text"] for row in rows]
    for part in ("part-00001.json", "part-00002.json.gz", "part-00003.csv"):
        assert f"{part} is empty" in caplog.text
    assert json.loads(project.metrics.read_text())["read"]["files"]["format"]["empty"] == 3


def test_a_dataset_that_was_saved_to_disk_is_read(project: Project) -> None:
    table = pyarrow.table({"text": [f"satır {n} " * 9 for n in range(9)]})
    (project.root / "in" / "train").mkdir(parents=True)
    for name, part in (("00000", table[:5]), ("00001", table[5:])):
        path = project.root / "in" / "train" / f"data-{name}-of-00002.arrow"
        with pyarrow.ipc.new_stream(str(path), table.schema) as writer:
            writer.write_table(part)
    project.write("in/dataset_dict.json", '{"splits": ["train"]}')
    project.write("in/train/dataset_info.json", json.dumps({"features": {"text": {}}}, indent=2))
    project.write("in/train/state.json", json.dumps({"_data_files": [{"filename": "x"}]}))
    records = project.convert()

    assert sorted(record["content"] for record in records) == sorted(table["text"].to_pylist())
