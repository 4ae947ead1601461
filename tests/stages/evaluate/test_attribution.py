import json
from pathlib import Path
from typing import Any

import pytest

from stages.evaluate import attribution
from stages.evaluate.attribution import write_attribution
from tohum.files import file_sha256
from tohum.formats.tokens import ORIGINS
from tohum.licenses import spdx

META: dict[str, Any] = {
    "tokenizer_sha256": "1" * 64,
    "jsonl_manifest_sha256": "2" * 64,
    "provenance": {
        "raw_manifest_sha256": "3" * 64,
        "sources": {
            "stack": {"kind": "hub", "repo_id": "a/b", "revision": "c" * 40, "license": None},
            "qa": {"kind": "files", "license": "CC0-1.0", "files": 2},
        },
        "licenses": {
            "MIT License": {"spdx": "MIT", "documents": 3, "bytes": 4000},
            "CC0-1.0": {"spdx": "CC0-1.0", "documents": 2, "bytes": 50},
            "BSD License": {"spdx": None, "documents": 1, "bytes": 30},
            "MIT": {"spdx": "MIT", "documents": 1, "bytes": 20},
        },
    },
}


def origin(repo: str | None, license: str | None = "MIT") -> dict[str, Any]:
    stated = {"license": license, "spdx": spdx(license)}
    return {"source": "stack", "repo": repo, **stated, "documents": 1, "bytes": 1000}


def written(tmp_path: Path, origins: list[dict[str, Any]]) -> tuple[Path, str]:
    tokens, model = tmp_path / "tokens", tmp_path / "lm"
    tokens.mkdir()
    model.mkdir()
    lines = "".join(json.dumps(entry) + "\n" for entry in origins)
    (tokens / ORIGINS).write_text(lines, "utf-8")
    (tokens / "meta.json").write_text(json.dumps(META), "utf-8")
    write_attribution(model, tokens, META)
    return model, (model / "ATTRIBUTION.md").read_text("utf-8")


def test_sources_licences_and_repositories_are_told(tmp_path: Path) -> None:
    _, told = written(tmp_path, [origin("o/one", "MIT License"), origin(None, None)])
    assert f"- stack: kind hub, repo_id a/b, revision {'c' * 40}" in told
    assert "- qa: kind files, license CC0-1.0, files 2" in told
    assert "| MIT | MIT License, MIT | 4 | 4,020 |" in told
    assert "| BSD License | BSD License | 1 | 30 |" in told
    assert "| stack | o/one | MIT | 1 | 1,000 |" in told
    assert "| stack | - | unknown | 1 | 1,000 |" in told


def test_the_hashes_are_of_the_files_that_they_name(tmp_path: Path) -> None:
    model, _ = written(tmp_path, [origin("o/one")])
    facts = json.loads((model / "provenance.json").read_text("utf-8"))
    assert facts["origins_sha256"] == file_sha256(model / ORIGINS)
    assert facts["tokens_meta_sha256"] == file_sha256(tmp_path / "tokens" / "meta.json")
    assert facts["raw_manifest_sha256"] == "3" * 64
    assert facts["licenses"] == META["provenance"]["licenses"]


def test_more_repositories_than_a_page_holds_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attribution, "MOST_ORIGINS", 2)
    model, told = written(tmp_path, [origin(f"o/{number}") for number in range(5)])
    assert "o/1" in told and "o/2" not in told
    assert "And 3 more: see origins.jsonl." in told
    assert len((model / ORIGINS).read_text("utf-8").splitlines()) == 5


def test_a_name_can_not_break_the_table(tmp_path: Path) -> None:
    _, told = written(tmp_path, [origin("o|x\ny")])
    assert "| stack | o\\|x y | MIT | 1 | 1,000 |" in told
