import gzip
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
import yaml

from stages.compose.checking import check
from stages.compose.composition import compose
from tohum.commands.inspect.data_files import slug
from tohum.commands.inspect.sample import sample_file
from tohum.commands.inspect.source import inspect_source
from tohum.errors import UserError
from tohum.fields import compile_fields
from tohum.readers import Row, detect, read_blocks

pytestmark = pytest.mark.slow


PROJECT = Path(__file__).parents[4]
QUESTIONS = [
    {"Soru": f"{n}. Işık hızı ne kadardır?", "Cevap": "Saniyede 299.792 km ve bu çok hızlıdır."}
    for n in range(50)
]


def inspect(path: Path, rows: int = 1000, width: int = 100) -> str:
    return "\n".join(inspect_source(str(path), rows, width))


def run(path: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "tohum", "inspect", "--rows", "1", str(path)]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)


def preset(told: str) -> dict[str, Any]:
    """The preset that is printed, read as YAML."""
    lines = told.partition("or to save as conf/source/")[2].splitlines()[1:]
    values = yaml.safe_load("\n".join(line for line in lines if line.startswith("  ")))
    assert isinstance(values, dict)
    return values


def overrides(told: str) -> list[str]:
    """The overrides that are printed, read as YAML."""
    lines = told.partition("to paste into params.yaml")[2].partition("\n\nor to")[0]
    values = yaml.safe_load(lines)["overrides"]
    assert isinstance(values, list)
    return values


def save_jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


@pytest.fixture
def table(tmp_path: Path) -> Path:
    lines = ["Soru;Cevap", *(f"{row['Soru']};{row['Cevap']}" for row in QUESTIONS), "kırık"]
    path = tmp_path / "sıkça sorulan.csv"
    path.write_bytes("\r\n".join(lines).encode("cp1254"))
    return path


def test_a_turkish_table_is_told_with_how_it_was_found(table: Path) -> None:
    told = inspect(table)

    assert "encoding cp1254: not UTF-8" in told
    assert "delimiter ';' (semicolon): by its header" in told
    assert "51 rows (exact)" in told
    assert "1 broken" in told
    assert "52: 1 cells, the header has 2" in told
    assert re.search(r"Soru +0\.0% +\d+ +\d+ +text", told)
    assert "language of the text: Turkish 100%" in told
    assert "user is 'Soru'" in told
    assert "50 records" in told


def test_the_preset_reads_the_rows_as_they_were_told(table: Path) -> None:
    values = preset(inspect(table))
    [path] = values["paths"]
    mapping = compile_fields(values["jsonl"]["fields"], "jsonl.fields")
    rows = [row for block in read_blocks(Path(path), detect(Path(path))) for row in block.rows()]
    records = [mapping.records(row.values)[0] for row in rows if isinstance(row, Row)]

    assert values["kind"] == "files"
    assert values["license"] is None
    assert [record.messages for record in records] == [
        [
            {"role": "user", "content": row["Soru"]},
            {"role": "assistant", "content": row["Cevap"]},
        ]
        for row in QUESTIONS
    ]


def test_what_is_printed_composes_and_is_the_same_configuration(
    tmp_path: Path, table: Path
) -> None:
    told = inspect(table)
    conf = shutil.copytree(PROJECT / "conf", tmp_path / "conf")
    name = told.partition("or to save as conf/source/")[2].partition(".yaml")[0]
    (conf / "source" / f"{name}.yaml").write_text(yaml.safe_dump(preset(told)))

    pasted = check(compose(conf, overrides(told)))
    saved = check(compose(conf, [f"source={name}"]))
    assert pasted.source == saved.source
    assert pasted.jsonl.fields == saved.jsonl.fields == {"user": "Soru", "assistant": "Cevap"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Sıkça Sorulan Şeyler.csv", "sikca_sorulan_seyler"),
        ("2024-ocak.jsonl.gz", "data_2024_ocak"),
        ("日本.csv", "data"),
        ("files.csv", "files_data"),
    ],
)
def test_a_preset_has_a_name_that_hydra_takes(name: str, expected: str) -> None:
    assert slug(name) == expected


def test_no_line_but_what_is_pasted_is_wider_than_the_terminal(tmp_path: Path) -> None:
    row = {"text": "ışık\n" * 1000, "a" * 30: {"b" * 50: 1}, "b": "\x1b[2J"}
    told = inspect(save_jsonl(tmp_path / "a.jsonl", [row]), width=60)

    shown = told[: told.index("\nfields")].splitlines()[1:]
    assert max(map(len, shown[1:])) <= max(60, len(str(tmp_path / "a.jsonl")))
    assert "\x1b" not in told


def test_ambiguous_columns_are_a_question_with_its_answers(tmp_path: Path) -> None:
    row = {"question": "a", "context": "b", "answer": "c"}
    told = inspect(save_jsonl(tmp_path / "a.jsonl", [row]))

    assert "Not sure: 'context' may or may not be meant" in told
    assert """'jsonl.fields={user: "question", assistant: "answer"}'""" in told
    assert preset(told)["jsonl"]["fields"] == {}


def test_columns_of_unknown_names_are_shown_as_choices(tmp_path: Path) -> None:
    told = inspect(save_jsonl(tmp_path / "a.jsonl", [{"n": 1, "girizgâh": "x"}]))

    assert "Nothing fits: no known column among n, girizgâh." in told
    assert """'jsonl.fields={content: "girizgâh"}'""" in told


def test_a_long_text_that_is_left_out_is_told(tmp_path: Path) -> None:
    row = {"soru": "a", "cevap": "b", "gerekçe": "uzun " * 100}

    assert "Not sure: 'gerekçe' has long texts too" in inspect(
        save_jsonl(tmp_path / "a.jsonl", [row])
    )


def test_lines_of_differing_columns_are_told_apart_and_left_to_the_names(tmp_path: Path) -> None:
    rows = [{"promt": "a", "content": "b"}, {"request": "a", "response": "b"}]
    told = inspect(save_jsonl(tmp_path / "a.jsonl", rows))

    assert "user is 'promt'" in told
    assert "user is 'request'" in told
    assert "tried on 2 rows: 2 records" in told
    assert preset(told)["jsonl"]["fields"] == {}


def test_texts_nested_in_a_list_are_found(tmp_path: Path) -> None:
    files = [{"file_path": "a.py", "content": "x = 1", "language": "Python"}] * 3
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([{"id": 1, "files": files}] * 2), path)
    told = inspect(path)

    assert "2 rows (exact)" in told
    assert "list<element: struct<" in told
    assert "tried on 2 rows: 6 records" in told
    assert "language by its column: Python 6" in told
    assert preset(told)["jsonl"]["fields"] == {
        "content": "files[].content",
        "path": "files[].file_path",
        "language": "files[].language",
    }


PROPOSED: dict[str, dict[str, Any]] = {
    "scalars": {"question": "1+1?", "answer": 2},
    "a list of one text": {"question": "q", "answer": ["a"]},
    "nested lists": {"meta": {"soru": "q", "cevap": "a"}},
    "unknown name of messages": {"tur": [{"role": "user", "content": "q"}]},
    "columns of messages": {"tur": {"from": ["human", "gpt"], "value": ["q", "a"]}},
    "messages in a cell": {"tur": "[{'role': 'user', 'content': 'q'}]"},
    "trl": {
        "prompt": [{"role": "user", "content": "q"}],
        "completion": [{"role": "assistant", "content": "a"}],
    },
    "preference": {"chosen": "\n\nHuman: q\n\nAssistant: a", "rejected": "x"},
    "template": {"instruction": "q", "input": 3, "output": True},
    "odd names": {'so"ru\\': "q", "cevap": "a"},
}


@pytest.mark.parametrize("row", PROPOSED.values(), ids=PROPOSED)
def test_what_is_proposed_works_when_it_is_pasted(tmp_path: Path, row: dict[str, Any]) -> None:
    path = save_jsonl(tmp_path / "a.jsonl", [row] * 3)
    told = inspect(path)
    config = check(compose(PROJECT / "conf", overrides(told)))

    assert "tried on 3 rows: 3 records" in told
    assert "# " not in told
    for fields in (config.jsonl.fields, preset(told)["jsonl"]["fields"]):
        records = compile_fields(fields, "jsonl.fields").records(row)
        assert [record.problem for record in records] == [None]
    assert config.jsonl.min_bytes == 1


@pytest.mark.parametrize(
    "row",
    [
        {"soru": {"a": "x"}, "cevap": "b"},
        {"text": ["a", "b"]},
        {"messages": "hello"},
        {"messages": [{"role": "tool", "content": "x"}]},
        {"soru": "a", "cevap": ""},
        {"n": 1, "{x": {"a": 2}},
    ],
)
def test_where_no_row_fits_there_is_nothing_to_paste(tmp_path: Path, row: dict[str, Any]) -> None:
    told = inspect(save_jsonl(tmp_path / "a.jsonl", [row]))

    assert "Nothing fits: " in told
    assert "Nothing to paste: no row fits yet." in told
    assert "overrides:\n" not in told


def test_columns_that_are_offered_fit_a_row(tmp_path: Path) -> None:
    names = ["a{b", "a.b", "a[0]", "ad\nı", 'a"b', "it's", "a\\"]
    told = inspect(save_jsonl(tmp_path / "a.jsonl", [dict.fromkeys(names, "x")]))

    lines = [line.strip() for line in told.splitlines() if "jsonl.fields={" in line]
    assert len(lines) == len(names) - 1  # braces are for templates
    for line in lines:
        [override] = yaml.safe_load(f"[{line}]")
        fields = check(
            compose(PROJECT / "conf", ["source=files", "source.paths=[a]", override])
        ).jsonl.fields
        [record] = compile_fields(fields, "jsonl.fields").records(dict.fromkeys(names, "x"))
        assert record.content == "x"


def test_rows_that_do_not_fit_are_counted_where_it_is_pasted(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"text": "x"}, {"text": [1]}, {"text": "y"}]
    path = save_jsonl(tmp_path / "a.jsonl", rows)
    path.write_text(path.read_text() + "{\n")

    assert inspect(path).count("# 2 of 4 sampled rows do not fit, as told above") == 2


def test_single_messages_are_a_question(tmp_path: Path) -> None:
    row = {"message_id": "1", "parent_id": None, "role": "prompter", "text": "x"}
    told = inspect(save_jsonl(tmp_path / "a.jsonl", [row]))

    assert "Not sure: 'role' says whose words 'text' has, so each row is one message" in told
    assert "# with the right fields: not every row fits yet" in told
    assert preset(told)["jsonl"]["fields"] == {}


@pytest.mark.parametrize(
    "name", ["it's.jsonl", 'a"b.jsonl', "a, b=[c].jsonl", "ş ğ.jsonl", "$a.jsonl", "{a}.jsonl"]
)
def test_a_file_of_any_name_can_be_pasted(tmp_path: Path, name: str) -> None:
    path = save_jsonl(tmp_path / name, [{"text": "x"}])
    told = inspect(path)

    config = check(compose(PROJECT / "conf", overrides(told)))
    assert config.source.paths == preset(told)["paths"] == [str(path)]


def test_only_as_many_rows_as_asked_for_are_looked_at(tmp_path: Path) -> None:
    told = inspect(save_jsonl(tmp_path / "a.jsonl", [{"text": "x"}] * 100), rows=7)

    assert "100 rows (exact)" in told
    assert "7 of them looked at" in told


def test_a_folder_is_told_by_file_and_by_columns(tmp_path: Path, table: Path) -> None:
    save_jsonl(tmp_path / "a.jsonl", [{"text": "x"}])
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(b'{"text": "y"}\n'))
    (tmp_path / "c.jsonl").write_bytes(b"")
    told = inspect(tmp_path)

    assert f"{tmp_path}: 4 data files" in told
    assert re.search(r"b\.jsonl\.gz +\d+ bytes +jsonl gzip +1 rows \(exact\)", told)
    assert f"not read: {tmp_path / 'c.jsonl'} is empty." in told
    assert "1 more files have these columns" in told
    assert str(table) in told


def test_a_broken_line_past_the_sample_is_told_with_its_number(tmp_path: Path) -> None:
    path = save_jsonl(tmp_path / "a.jsonl", [{"text": f"{n}"} for n in range(3000)])
    path.write_text(path.read_text().replace('{"text": "2345"}', '{"text": "2345'))

    told = inspect(path)
    assert f"{path}: 1 data file, " in told
    assert "3,000 rows (exact), 1 of them broken, the first at 2,346" in told


def test_a_preset_has_a_template_on_one_line_that_means_the_same(tmp_path: Path) -> None:
    row = {"instruction": "Topla", "input": "1 2", "output": "3"}
    told = inspect(save_jsonl(tmp_path / "a.jsonl", [row]))

    assert r"      user: '{instruction}\n\n{input}'" in told.splitlines()
    fields = compile_fields(preset(told)["jsonl"]["fields"], "jsonl.fields")
    [record] = fields.records(row)
    assert record.messages is not None
    assert record.messages[0]["content"] == "Topla\n\n1 2"


def test_a_folder_of_files_that_are_alike_is_one_preset(tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        save_jsonl(tmp_path / name, [{"text": "x"}])

    assert preset(inspect(tmp_path))["paths"] == [str(tmp_path)]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.xlsx", b"PK\x03\x04", "not a readable workbook"),
        ("a.jsonl", b"", "is empty"),
        ("a.parquet", b"nothing", "not a known kind of data file|not a parquet file"),
    ],
)
def test_what_cannot_be_read_is_an_error(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(UserError, match=message):
        inspect(tmp_path / name)


def test_the_command_prints_and_exits_with_0_or_1(tmp_path: Path) -> None:
    path = save_jsonl(tmp_path / "a.jsonl", [{"text": "x"}])
    command = [sys.executable, "-m", "tohum", "inspect", "--rows", "1"]

    done = subprocess.run(
        [*command, str(path)], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert "content is 'text'" in done.stdout
    refused = run(tmp_path / "none.jsonl")
    assert refused.returncode == 1
    assert "inspect: error: there is no" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["a.jsonl"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_the_rows_of_a_large_table_are_estimated_by_the_bytes_of_those_read(
    tmp_path: Path, encoding: str
) -> None:
    path = tmp_path / "a.csv"
    rows = 4_000_000 if encoding == "utf-8" else 2_000_000
    path.write_text("name,value\n" + "abcdefghi,123456789\n" * rows, encoding)
    found = re.fullmatch(r"about ([\d,]+) rows \(an estimate by .*\)", sample_file(path, 1).total)
    assert found is not None
    assert int(found[1].replace(",", "")) == pytest.approx(rows, rel=0.02)


def test_the_rows_of_a_large_arrow_file_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tohum.commands.inspect.sample.COUNTED_BYTES", 100)
    table = pyarrow.table({"text": ["x" * 100] * 3000})
    with pyarrow.ipc.new_stream(tmp_path / "a.arrow", table.schema) as stream:
        stream.write_table(table, max_chunksize=1000)
    assert sample_file(tmp_path / "a.arrow", 1).total == "3,000 rows (exact)"


def test_a_large_table_of_broken_rows_is_estimated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tohum.commands.inspect.sample.COUNTED_BYTES", 100)
    path = tmp_path / "a.csv"
    path.write_text("name,value\n" + '"a","b"\n' * 1100 + '"a" b,"c"\n' * 200_000)
    assert sample_file(path, 1).total.startswith("about ")
