"""A project with a tiny tokenizer and a model of random weights."""

from pathlib import Path

import pytest

from tests.tiny import write_tiny_tokenizer
from tests.tohum.trained import write_language_model


@pytest.fixture(scope="session")
def shown_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("show")
    write_tiny_tokenizer(root / "models" / "tokenizer")
    write_language_model(root / "models" / "lm")
    return root


@pytest.fixture
def in_project(shown_project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(shown_project)
    return shown_project
