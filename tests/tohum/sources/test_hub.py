import io
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from huggingface_hub import constants
from hypothesis import given
from hypothesis import strategies as st

from stages.compose.composition import compose, write_lock_file
from stages.download.downloading import download
from stages.jsonl.conversion import convert
from tests.fakes import stack_rows
from tests.fakes.access import GOOD_TOKEN, INVALID_TOKEN, UNAUTHORISED_TOKEN
from tests.fakes.blobs import sample_blobs
from tests.fakes.faults import FOREVER
from tests.fakes.hub import COMMIT, FakeHub
from tests.fakes.messages import Reply, Request, json_reply
from tests.fakes.repository import Revision
from tests.fakes.stack_rows import parquet_bytes
from tests.tiny import rules, runtime
from tohum.errors import UserError
from tohum.formats.records import read_records, shard_paths
from tohum.sources import hub_api, hub_patience, remote_file
from tohum.sources.config import MixSource
from tohum.sources.hub import HubSource
from tohum.sources.hub_files import divide

pytestmark = pytest.mark.slow


CONF = Path(__file__).parents[3] / "conf"
BLOBS = sample_blobs(300)
SHARDS = [f"data/Python/train-{number:05d}-of-00003.parquet" for number in range(3)]
OTHER = "data/C-Sharp/train-00000-of-00001.parquet"
TABLES = [stack_rows.stack_v2(BLOBS[number::3]) for number in range(3)]
FILES = {
    "README.md": b"# The Stack\n",
    OTHER: parquet_bytes(stack_rows.stack_v2(BLOBS[:20])),
    **{path: parquet_bytes(table) for path, table in zip(SHARDS, TABLES, strict=True)},
}
SOURCE = HubSource(
    kind="hub",
    repo_id="bigcode/the-stack-v2",
    revision="main",
    paths=["data/Python/*.parquet"],
    columns={"id": "blob_id", "path": "path"},
    terms="Ask before you take much.",
    content="rows",
    max_rows=None,
    max_bytes=10**9,
    max_lost_share=0,
    license_types=[],
    languages=[],
    exclude_vendored=False,
    exclude_generated=False,
    exclude_paths=[],
    min_stars=0,
    min_file_bytes=0,
    max_file_bytes=None,
)


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub(FILES) as hub:
        yield hub


@pytest.fixture
def out(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """data/raw of an empty project that asks the fake Hub, without a token."""
    ask(hub, monkeypatch)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setattr(remote_file, "TRIES", 3)
    monkeypatch.setattr(remote_file, "FIRST_WAIT", 0.001)
    monkeypatch.setattr(hub_patience, "FIRST_WAIT", 0.001)
    monkeypatch.setattr(remote_file, "TIMEOUT", (1, 0.5))
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "DVC_ROOT"):
        monkeypatch.setenv(name, "")  # noted, so that what the code sets is undone
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data" / "raw"


def ask(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the Hub's client ask this server."""
    monkeypatch.setattr(constants, "ENDPOINT", hub.endpoint)
    template = f"{hub.endpoint}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


def converted(source: HubSource, out: Path) -> list[dict[str, Any]]:
    """The records of a source, through download and jsonl."""
    download(source, out, runtime())
    jsonl = out.parent / "jsonl"
    convert(
        rules(),
        runtime(),
        raw=out,
        out=jsonl,
        metrics=out.parent / "metrics.json",
        plot=out.parent / "rules.csv",
        opt_out=out.parent / "opt_out.txt",
    )
    return [record for path in shard_paths(jsonl) for record in read_records(path)]


def refusal(out: Path, **changes: Any) -> str:
    with pytest.raises(UserError) as caught:
        download(replace(SOURCE, **changes), out, runtime())
    assert not out.exists()
    return str(caught.value)


def facts(out: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((out / "source.json").read_text("utf-8"))
    return read


def manifest(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "manifest.jsonl").read_text("utf-8").splitlines()]


def asked_for(hub: FakeHub) -> list[str]:
    """The paths of the files whose bytes were asked for."""
    return [request.path.split("/", 3)[3] for request in hub.requests if request.server == "cdn"]


def test_whole_files_come_as_they_are_and_leave_no_work(hub: FakeHub, out: Path) -> None:
    download(SOURCE, out, runtime())
    assert [line["file"] for line in manifest(out)] == SHARDS
    assert [(out / path).read_bytes() for path in SHARDS] == [FILES[path] for path in SHARDS]
    assert {line["taken"] for line in manifest(out)} == {"whole"}
    assert not [
        path for path in Path(".work").rglob("*") if path.suffix != ".lock" and path.is_file()
    ]


def test_a_branch_is_resolved_and_its_commit_recorded_and_used(hub: FakeHub, out: Path) -> None:
    download(SOURCE, out, runtime())
    assert facts(out)["revision"] == COMMIT
    assert {line["revision"] for line in manifest(out)} == {COMMIT}
    assert all(f"/{COMMIT}/" in r.path for r in hub.requests if "/resolve/" in r.path)


def test_a_branch_that_has_moved_gives_another_commit(hub: FakeHub, out: Path) -> None:
    download(SOURCE, out, runtime())
    first = (out / "manifest.jsonl").read_bytes()
    moved = "b" * 40
    hub.move_branch(moved, {SHARDS[0]: FILES[SHARDS[1]]})
    download(SOURCE, out, runtime())
    assert facts(out)["revision"] == moved
    assert [line["file"] for line in manifest(out)] == SHARDS[:1]
    assert (out / SHARDS[0]).read_bytes() == FILES[SHARDS[1]]
    download(replace(SOURCE, revision=COMMIT), out, runtime())
    assert (out / "manifest.jsonl").read_bytes() == first


def test_equal_commits_give_equal_bytes(hub: FakeHub, out: Path) -> None:
    source = replace(SOURCE, max_rows=50)
    files = []
    for _ in range(2):
        download(source, out, runtime())
        files.append({p.name: p.read_bytes() for p in out.rglob("*") if p.is_file()})
    assert files[0] == files[1]


def test_gated_without_a_token_says_how_to_get_one(hub: FakeHub, out: Path) -> None:
    hub.gated = True
    message = refusal(out)
    assert "Accept its terms at https://huggingface.co/datasets/bigcode/the-stack-v2" in message
    assert "set HF_TOKEN, in the environment or in .env" in message


def test_gated_without_access_says_which_account(
    hub: FakeHub, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.gated = True
    monkeypatch.setenv("HF_TOKEN", UNAUTHORISED_TOKEN)
    assert "the account of your HF_TOKEN has no access: accept the terms at" in refusal(out)


def test_an_invalid_token_is_named(
    hub: FakeHub, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", INVALID_TOKEN)
    message = refusal(out)
    assert "the Hub does not accept your HF_TOKEN. Create a token" in message
    assert INVALID_TOKEN not in message


def test_an_unknown_repository_revision_folder_or_file_is_named(hub: FakeHub, out: Path) -> None:
    assert "'bigcode/absent': there is no such dataset, or it is private" in refusal(
        out, repo_id="bigcode/absent"
    )
    assert "source.revision is 'v9', which bigcode/the-stack-v2 does not have" in refusal(
        out, revision="v9"
    )
    assert "has no such folder" in refusal(out, paths=["data/Pyton/*.parquet"])
    message = refusal(out, paths=["data/Python/*.json"])
    assert "no file of bigcode/the-stack-v2 matches 'data/Python/*.json'" in message
    assert SHARDS[0] in message


def test_a_hub_that_fails_or_is_not_there_says_so(
    hub: FakeHub, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.fail(500, FOREVER)
    assert "the Hub answered" in refusal(out)
    assert len(hub.requests) == hub_patience.TRIES
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert "the Hub can't be reached" in refusal(out)


def test_a_hub_that_fails_for_a_while_is_asked_again(hub: FakeHub, out: Path) -> None:
    for part in ("/revision/", "/auth-check", "/tree/"):
        for status in (429, 500, 503):
            hub.fail(status, part=part)
    download(SOURCE, out, runtime())
    assert [line["file"] for line in manifest(out)] == SHARDS


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        (SHARDS[1], SHARDS[1:2]),
        ("data/Python/train-0000[12]-*", SHARDS[1:]),
        ("data/*/train-00000-*.parquet", [OTHER, SHARDS[0]]),
        ("data/**", [OTHER, *SHARDS]),
        ("README.md", ["README.md"]),
    ],
)
def test_patterns_match_files(hub: FakeHub, out: Path, pattern: str, found: list[str]) -> None:
    download(replace(SOURCE, paths=[pattern]), out, runtime())
    assert [line["file"] for line in manifest(out)] == found


def test_all_pages_of_a_listing_are_read(hub: FakeHub, out: Path) -> None:
    hub.page = 1
    download(SOURCE, out, runtime())
    assert [line["file"] for line in manifest(out)] == SHARDS


def test_more_than_max_bytes_is_refused_before_any_byte(hub: FakeHub, out: Path) -> None:
    size = sum(len(FILES[path]) for path in SHARDS)
    assert "more than source.max_bytes" in refusal(out, max_bytes=size - 1)
    assert asked_for(hub) == []
    download(replace(SOURCE, max_bytes=size), out, runtime())
    assert facts(out)["bytes"] == size


def test_a_wrong_file_is_refused_after_the_second_try(hub: FakeHub, out: Path) -> None:
    hub.corrupt(SHARDS[1])
    assert "Twice, so it is not the transfer" in refusal(out)
    assert asked_for(hub) == [SHARDS[0], SHARDS[1], SHARDS[1]]
    hub.heal()
    download(SOURCE, out, runtime())
    assert asked_for(hub)[3:] == SHARDS[1:]  # the first file is kept


def test_max_rows_takes_the_first_rows_across_files(hub: FakeHub, out: Path) -> None:
    columns = {"id": "blob_id", "path": "path", "content": "path"}
    download(replace(SOURCE, max_rows=130, content="inline", columns=columns), out, runtime())
    out = out / "rows"
    assert [line["taken"] for line in manifest(out)] == ["first 100 rows", "first 30 rows"]
    tables = [pyarrow.parquet.read_table(out / path) for path in SHARDS[:2]]
    assert [table.column_names for table in tables] == [["blob_id", "path"]] * 2
    found = [*tables[0]["blob_id"].to_pylist(), *tables[1]["blob_id"].to_pylist()]
    assert found == [blob.blob_id for blob in [*BLOBS[0::3], *BLOBS[1::3]][:130]]


def test_each_pattern_gets_an_equal_part_of_max_rows(hub: FakeHub, out: Path) -> None:
    source = replace(SOURCE, paths=["data/C-Sharp/*", "data/Python/*"], max_rows=30)
    download(source, out, runtime())
    assert [(line["file"], line["taken"]) for line in manifest(out)] == [
        (OTHER, "first 15 rows"),
        (SHARDS[0], "first 15 rows"),
    ]


@pytest.mark.parametrize(
    ("rows", "taken"),
    [(31, [16, 15]), (30, [15, 15]), (1, [1]), (50, [20, 30]), (10_000, [20, 100, 100, 100])],
)
def test_no_row_of_max_rows_is_lost_among_the_patterns(
    hub: FakeHub, out: Path, rows: int, taken: list[int]
) -> None:
    """What one pattern has not goes to the others, and an odd row to the first."""
    source = replace(SOURCE, paths=["data/C-Sharp/*", "data/Python/*"], max_rows=rows)
    download(source, out, runtime())
    assert [line["taken"] for line in manifest(out)] == [f"first {count} rows" for count in taken]
    assert sum(taken) == min(rows, 320)


@given(st.integers(0, 200), st.lists(st.integers(0, 60), min_size=1, max_size=6))
def test_parts_are_as_equal_as_can_be_and_add_up(total: int, there: list[int]) -> None:
    parts = divide(total, there)
    assert sum(parts) == min(total, sum(there))
    assert all(part <= most for part, most in zip(parts, there, strict=True))
    open_ones = [part for part, most in zip(parts, there, strict=True) if part < most]
    if open_ones:
        assert max(parts) <= min(open_ones) + 1


def count_asked(hub: FakeHub, out: Path, source: HubSource | MixSource) -> int:
    hub.requests.clear()
    download(source, out, runtime())
    return len(asked_for(hub))


def test_a_file_that_data_raw_has_is_not_fetched_again(hub: FakeHub, out: Path) -> None:
    assert count_asked(hub, out, replace(SOURCE, paths=[SHARDS[0]])) == 1
    assert count_asked(hub, out, SOURCE) == 2
    whole = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert count_asked(hub, out, SOURCE) == 0
    assert count_asked(hub, out, MixSource("mix", {"stack": SOURCE})) == 0
    assert (out / "stack" / SHARDS[1]).read_bytes() == FILES[SHARDS[1]]
    assert count_asked(hub, out, SOURCE) == 0
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == whole


def test_a_file_is_taken_by_its_hash_and_not_by_its_name(hub: FakeHub, out: Path) -> None:
    download(SOURCE, out, runtime())
    (out / SHARDS[0]).write_bytes(FILES[SHARDS[1]])
    moved = "c" * 40
    hub.move_branch(moved, {SHARDS[0]: FILES[SHARDS[0]], SHARDS[1]: FILES[SHARDS[1]]})
    assert count_asked(hub, out, SOURCE) == 1
    assert facts(out)["revision"] == moved
    assert [(out / path).read_bytes() for path in SHARDS[:2]] == [FILES[p] for p in SHARDS[:2]]


def test_a_file_without_a_hash_of_the_hub_is_taken_at_its_commit_alone(
    hub: FakeHub, out: Path
) -> None:
    source = replace(SOURCE, paths=["README.md"])
    download(source, out, runtime())

    def asked() -> int:
        return sum(request.path.endswith("README.md") for request in hub.requests)

    hub.requests.clear()
    download(source, out, runtime())
    assert asked() == 0
    hub.move_branch("d" * 40, {"README.md": b"# The Stick\n"})
    download(source, out, runtime())
    assert asked() > 0
    assert (out / "README.md").read_bytes() == b"# The Stick\n"


def test_first_rows_that_data_raw_has_are_not_fetched_again(hub: FakeHub, out: Path) -> None:
    source = replace(SOURCE, paths=[SHARDS[0]], max_rows=30)
    assert count_asked(hub, out, source) > 0
    bytes_ = (out / SHARDS[0]).read_bytes()
    assert count_asked(hub, out, source) == 0
    assert (out / SHARDS[0]).read_bytes() == bytes_
    columns = {"id": "blob_id", "path": "path", "content": "path"}
    inline = replace(source, content="inline", columns=columns)
    assert count_asked(hub, out, inline) > 0, "other columns"
    assert count_asked(hub, out, replace(inline, exclude_paths=["*.md"])) == 0
    assert count_asked(hub, out, replace(source, max_rows=31)) > 0


def test_a_file_whose_rows_were_all_taken_is_not_fetched_again_for_more(
    hub: FakeHub, out: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = replace(SOURCE, paths=SHARDS[:2], max_rows=1_000_000)
    download(source, out, runtime())
    assert [line["taken"] for line in manifest(out)] == ["first 100 rows"] * 2
    whole = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    with caplog.at_level(logging.INFO):
        download(replace(source, max_rows=2_000_000), out, runtime())
    assert caplog.text.count("taken from an earlier download") == 2
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == whole


def test_first_rows_are_resumed_after_the_last_complete_file(hub: FakeHub, out: Path) -> None:
    source = replace(SOURCE, max_rows=1_000_000)
    hub.fail(500, FOREVER, part=SHARDS[1])
    with pytest.raises(UserError, match="failed"):
        download(source, out, runtime())
    hub.heal()
    hub.requests.clear()
    download(source, out, runtime())
    assert SHARDS[0] not in asked_for(hub)
    assert [line["file"] for line in manifest(out)] == SHARDS


def test_a_file_whose_name_is_a_pattern_of_others_is_found(hub: FakeHub, out: Path) -> None:
    hub.move_branch("d" * 40, {"data/[a].csv": b"a,b\n1,2\n"})
    download(replace(SOURCE, paths=["data/[a].csv"], content="rows"), out, runtime())
    assert (out / "data" / "[a].csv").read_bytes() == b"a,b\n1,2\n"


def test_what_a_killed_download_of_other_values_has_is_resumed(
    hub: FakeHub, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.stall_after(1000, FOREVER, path=SHARDS[1])
    with pytest.raises(UserError, match="what has come so far is kept"):
        download(SOURCE, out, runtime())
    hub.heal()
    [part] = Path(".work").rglob("*.part")
    had = part.stat().st_size
    hub.requests.clear()
    download(replace(SOURCE, max_bytes=10**8), out, runtime())
    spans = [r.headers["range"] for r in hub.requests if r.server == "cdn"]
    assert len(spans) == 2 and spans[0].startswith(f"bytes={had}-")
    assert [(out / path).read_bytes() for path in SHARDS] == [FILES[path] for path in SHARDS]


def test_the_terms_are_told(out: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        download(replace(SOURCE, max_rows=10), out, runtime())
    assert "terms: Ask before you take much." in caplog.text
    assert f"source.revision={COMMIT}" in caplog.text


@pytest.mark.parametrize(
    "line",
    [
        "HF_TOKEN={}",
        "export HF_TOKEN='{}'",
        ' HF_TOKEN = "{}" ',
        "HF_TOKEN={} # mine",
        "HF_TOKEN='{}' # mine",
        "HF_TOKEN={}\r",
    ],
)
def test_the_token_of_the_env_file_is_used_and_never_shown(
    hub: FakeHub, out: Path, caplog: pytest.LogCaptureFixture, line: str
) -> None:
    hub.gated = True
    Path(".env").write_text(f"# mine\nOTHER=1\n{line.format(GOOD_TOKEN)}\n")
    with caplog.at_level(logging.DEBUG):
        download(SOURCE, out, runtime())
    assert GOOD_TOKEN not in caplog.text
    assert os.environ.get("OTHER") is None
    for path in [*out.rglob("*"), *Path(".work").rglob("*")]:
        assert not path.is_file() or GOOD_TOKEN.encode() not in path.read_bytes()
    sent = {request.server: set() for request in hub.requests}  # type: dict[str, set[str]]
    for request in hub.requests:
        sent[request.server].add(request.token)
    assert GOOD_TOKEN in sent["hub"] and sent["cdn"] == {""}


def test_the_environments_token_goes_before_the_env_file(
    hub: FakeHub, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.gated = True
    Path(".env").write_text(f"HF_TOKEN={UNAUTHORISED_TOKEN}\n")
    monkeypatch.setenv("HF_TOKEN", GOOD_TOKEN)
    download(SOURCE, out, runtime())
    assert facts(out)["files"] == 3


def test_a_killed_download_goes_on_where_it_was(hub: FakeHub, out: Path, tmp_path: Path) -> None:
    """The stage's own process, killed while a body has stalled; the next one asks for the rest."""
    big = os.urandom(3_000_000)
    hub.revisions[COMMIT].files[SHARDS[0]] = big
    hub.stall_after(2_500_000, path=SHARDS[0])
    overrides = ["source=hub", f"source.repo_id={SOURCE.repo_id}", "source.content=rows"]
    overrides += ["source.max_rows=null", f"source.paths=[{SHARDS[0]}]"]
    write_lock_file(tmp_path / "params.lock.yaml", compose(CONF, overrides))
    (tmp_path / "dvc.yaml").touch()
    (tmp_path / "conf").mkdir()
    shutil.copy(CONF / "runtime.yaml", tmp_path / "conf")
    environment = os.environ | {
        "HF_ENDPOINT": hub.endpoint,
        "HF_HOME": str(tmp_path / "home"),
        "HF_TOKEN": GOOD_TOKEN,
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "PYTHONPATH": str(CONF.parent),
    }
    command = [sys.executable, "-m", "stages.download"]
    killed = subprocess.Popen(command, env=environment, cwd=tmp_path)
    part = tmp_path / ".work"
    ends = time.monotonic() + 20
    while not any(path.stat().st_size >= 1_000_000 for path in part.rglob("*.part")):
        assert time.monotonic() < ends and killed.poll() is None
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    have = next(part.rglob("*.part")).stat().st_size
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert (out / SHARDS[0]).read_bytes() == big
    assert GOOD_TOKEN not in done.stdout + done.stderr
    spans = [r.headers["range"] for r in hub.requests if r.server == "cdn"]
    assert spans == [f"bytes={start}-{len(big) - 1}" for start in (0, have)]


def test_rows_of_any_shape_and_format_become_records(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parquet by its first rows, other formats whole; the fields map by themselves."""
    rows = [{"soru": f"soru {number}?", "cevap": f"cevap {number}"} for number in range(300)]
    lines = "".join(json.dumps(row) + "\n" for row in rows[:3])
    table = pyarrow.Table.from_pylist(rows)
    with FakeHub({"qa.parquet": parquet_bytes(table), "more/qa.jsonl": lines.encode()}) as hub:
        ask(hub, monkeypatch)
        changes: dict[str, Any] = {"content": "rows", "columns": {}, "terms": None}
        source = replace(SOURCE, paths=["qa.parquet"], max_rows=10, **changes)
        assert len(converted(source, out)) == 10
        source = replace(SOURCE, paths=["more/*", "qa.parquet"], **changes)
        records = converted(source, out)
        assert len(records) == 300, "three of them are in both"
        assert [message["content"] for message in records[0]["messages"]] == ["soru 0?", "cevap 0"]
        assert records[0]["path"] == "more/qa.jsonl#1"
        assert records[0]["source"] == SOURCE.repo_id
        with pytest.raises(UserError, match=r"max_rows is 10, and more/qa\.jsonl .* not a "):
            download(replace(source, max_rows=10), out, runtime())


def offer(hub: FakeHub, files: dict[str, bytes]) -> None:
    """Has the dataset be these files."""
    hub.revisions[COMMIT] = replace(hub.revisions[COMMIT], files=files)


@pytest.mark.parametrize(
    "paths",
    [
        ["/tmp/tohum-escape/x.jsonl"],
        ["../x.jsonl"],
        ["source.json"],
        ["rows/source.json"],
        ["a/nul.jsonl"],
        ["a.jsonl", "A.jsonl"],
        ["a", "A/b"],
        ["x" * 250],
    ],
)
def test_a_name_that_leads_elsewhere_is_refused_before_any_byte(
    hub: FakeHub, out: Path, paths: list[str]
) -> None:
    offer(hub, dict.fromkeys(paths, b'{"text": "x"}\n'))
    assert "Nothing is fetched" in refusal(out, paths=["**"])
    assert not any("/resolve/" in request.path for request in hub.requests)
    assert not Path("/tmp/tohum-escape").exists()


def test_a_file_outside_lfs_with_other_bytes_is_refused(hub: FakeHub, out: Path) -> None:
    lines = b'{"text": "one"}\n'
    offer(hub, {"a.jsonl": lines})
    hub.corrupt("a.jsonl", body=lines.replace(b"one", b"two"))
    assert "git blob SHA-1" in refusal(out, paths=["a.jsonl"])
    hub.heal()
    download(replace(SOURCE, paths=["a.jsonl"]), out, runtime())
    assert (out / "a.jsonl").read_bytes() == lines
    assert [line["verified_by"] for line in manifest(out)] == ["git blob SHA-1"]


@pytest.mark.parametrize(
    "change",
    [
        {"oid": None},
        {"oid": "0" * 39},
        {"oid": "G" * 40},
        {"size": None},
        {"size": -1},
        {"size": "12"},
        {"size": True},
        {"path": None},
        {"path": "\ud800.jsonl"},
        {"lfs": {"oid": None, "size": 12, "pointerSize": 130}},
        {"lfs": {"oid": "0" * 40, "size": 12, "pointerSize": 130}},
        {"lfs": {}},
        {"lfs": "x"},
    ],
)
@pytest.mark.parametrize("removed", [False, True])
def test_a_list_without_hash_size_or_name_is_refused(
    hub: FakeHub,
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, Any],
    removed: bool,
) -> None:
    offer(hub, {"a.jsonl": b'{"text": 1}\n'})
    real = Revision.file_entry

    def entry(revision: Revision, path: str) -> dict[str, Any]:
        told = real(revision, path) | change
        return {key: told[key] for key in told if not removed or key not in change}

    monkeypatch.setattr(Revision, "file_entry", entry)
    if removed and "lfs" in change:
        return
    message = refusal(out, paths=["*"])
    assert "can't be verified" in message or "can't be read" in message or "not Unicode" in message


def test_a_listing_without_end_is_given_up(
    hub: FakeHub, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_api, "ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(FakeHub, "_tree", endless_tree)
    assert "no complete answer within 0.5 s" in refusal(out)


def endless_tree(hub: FakeHub, request: Request, revision: Revision, folder: str) -> Reply:
    """A page whose next is itself."""
    return json_reply([], {"Link": f'<{hub.endpoint}{request.target}>; rel="next"'})


def test_a_web_page_in_place_of_the_listing_is_named(
    hub: FakeHub, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Reply(200, b"<html>Log in</html>", {"Content-Type": "text/html"})
    monkeypatch.setattr(FakeHub, "_tree", lambda *_: page)
    assert "Does this network want you to log in" in refusal(out)


def test_an_address_of_the_dataset_is_taken(hub: FakeHub, out: Path) -> None:
    address = f"https://huggingface.co/datasets/{SOURCE.repo_id}/tree/main"
    download(replace(SOURCE, repo_id=address), out, runtime())
    assert facts(out)["repo_id"] == SOURCE.repo_id


def test_a_users_own_source_json_is_no_earlier_download(hub: FakeHub, out: Path) -> None:
    download(SOURCE, out, runtime())
    for number, content in enumerate(["[]", "{}", '{"kind": "hub"}', "{", "1", '"x"', "\udcff"]):
        folder = out / f"folder{number}"
        (folder / "rows").mkdir(parents=True)
        for place in (folder, folder / "rows"):
            (place / "source.json").write_text(content, "utf-8", "surrogateescape")
            (place / "manifest.jsonl").write_text('[]\n{"taken": 1}\n')
    download(replace(SOURCE, max_bytes=10**8), out, runtime())
    assert facts(out)["files"] == 3


def with_checksums(table: pyarrow.Table, version: str = "1.0", checksums: bool = True) -> bytes:
    file = io.BytesIO()
    pyarrow.parquet.write_table(
        table,
        file,
        write_page_checksum=checksums,
        data_page_version=version,
        compression="none",
        use_dictionary=["path"],
        row_group_size=40,
    )
    return file.getvalue()


TEXTS = pyarrow.table(
    {
        "path": [f"{number % 7}.py" for number in range(100)],
        "content": [f"# the text of number {number}\n" for number in range(100)],
    }
)
INLINE = replace(
    SOURCE, paths=["*"], content="inline", columns={"content": "content", "path": "path"}
)


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_a_flipped_bit_in_a_row_is_seen_by_the_pages_checksum(
    hub: FakeHub, out: Path, version: str
) -> None:
    content = with_checksums(TEXTS, version)
    flipped = content.replace(b"text of number 77", b"tExt of number 77")
    assert flipped != content
    offer(hub, {"a.parquet": content})
    hub.corrupt("a.parquet", body=flipped)
    message = refusal(out, paths=["*"], max_rows=90)
    assert "a.parquet is not a parquet file, or a damaged one" in message
    hub.heal()
    download(replace(INLINE, max_rows=90), out, runtime())
    assert [line["verified_by"] for line in manifest(out / "rows")] == ["page checksums"]


def test_damage_on_the_way_is_read_once_more(hub: FakeHub, out: Path) -> None:
    content = with_checksums(TEXTS)
    offer(hub, {"a.parquet": content})
    hub.corrupt("a.parquet", times=1, body=content.replace(b"number 5\n", b"number 6\n"))
    download(replace(INLINE, max_rows=90), out, runtime())
    assert facts(out)["files"] == 90


def test_rows_without_checksums_are_said_to_be_unverified(
    hub: FakeHub, out: Path, caplog: pytest.LogCaptureFixture
) -> None:
    offer(hub, {"a.parquet": with_checksums(TEXTS, checksums=False)})
    download(replace(INLINE, max_rows=90), out, runtime())
    assert [line["verified_by"] for line in manifest(out / "rows")] == [None]
    assert "these rows are unverified" in caplog.text
    download(replace(INLINE, max_rows=None), out, runtime())
    assert [line["verified_by"] for line in manifest(out / "rows")] == ["SHA-256"]


@pytest.mark.parametrize("rows", [None, 60])
def test_a_damaged_page_of_the_dataset_itself_is_an_error(
    hub: FakeHub, out: Path, rows: int | None
) -> None:
    file = io.BytesIO()
    pyarrow.parquet.write_table(TEXTS, file, compression="snappy", use_dictionary=False)
    content = bytearray(file.getvalue())
    content[30:400] = b"\xff" * 370
    offer(hub, {"a.parquet": bytes(content)})
    for kind in ("inline", "software_heritage", "url"):
        columns = {"inline": "content", "software_heritage": "id", "url": "url"}
        source = replace(INLINE, content=kind, columns={columns[kind]: "path"}, max_rows=rows)
        with pytest.raises(UserError, match="damaged"):
            download(source, out, runtime())


@pytest.mark.parametrize("rows", [None, 50])
@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("column", ["content", "path"])
def test_a_row_that_is_not_utf8_is_lost_with_its_reason_and_the_rest_goes_on(
    hub: FakeHub, out: Path, column: str, binary: bool, rows: int | None
) -> None:
    values = [value.encode() for value in TEXTS[column].slice(0, 50).to_pylist()]
    for place, wrong in ((3, b"\xff"), (17, b"ok \xc3"), (49, b"\xed\xa0\x80")):
        values[place] = wrong
    array = pyarrow.array(values, pyarrow.binary())
    if not binary:
        array = pyarrow.Array.from_buffers(pyarrow.string(), len(array), array.buffers())
    table = TEXTS.slice(0, 50)
    table = table.set_column(table.column_names.index(column), column, array)
    offer(hub, {"a.parquet": with_checksums(table)})
    download(replace(INLINE, max_rows=rows, max_lost_share=0.1), out, runtime())
    assert facts(out)["dropped"] == {"broken": 3}
    assert facts(out)["files"] == 47
    lines = (out / "dropped.jsonl").read_text("utf-8").splitlines()
    details = [json.loads(line)["detail"] for line in lines]
    assert details == [
        f"a.parquet, row {row}: {column} is not UTF-8 at byte {place}"
        for row, place in ((4, 0), (18, 3), (50, 0))
    ]
    assert "3 broken" in refusal_of(replace(INLINE, max_rows=rows), out)


def refusal_of(source: HubSource, out: Path) -> str:
    with pytest.raises(UserError) as caught:
        download(replace(source, max_bytes=10**8), out, runtime())
    return str(caught.value)
