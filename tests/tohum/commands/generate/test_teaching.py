import json
from pathlib import Path

import pytest

from tests.conftest import PROJECT
from tohum.commands.generate.teaching import warn_without_conversations


def test_a_model_of_code_alone_says_that_it_does_not_answer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    warn_without_conversations(PROJECT / "metrics" / "encode.json")
    assert "saw no conversation" in caplog.text


@pytest.mark.parametrize(
    "text", [None, "", "[]", json.dumps({"bytes_per_token_by_language": {"conversation": {}}})]
)
def test_it_says_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str | None
) -> None:
    path = tmp_path / "encode.json"
    if text is not None:
        path.write_text(text)
    warn_without_conversations(path)
    assert caplog.text == ""
