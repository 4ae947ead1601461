from pathlib import Path

import pytest
import yaml

from tests.conftest import PROJECT
from tohum.pretokenization.patterns import GPT2, GPT4, KNOWN_PATTERNS

PRESETS = {"gpt4": GPT4, "gpt2": GPT2}


@pytest.mark.parametrize("path", sorted((PROJECT / "conf/pretokenizer").glob("*.yaml")))
def test_the_pattern_of_a_preset_is_the_compiled_one(path: Path) -> None:
    pattern = yaml.safe_load(path.read_text(encoding="utf-8"))["pattern"]
    assert KNOWN_PATTERNS[pattern] == PRESETS[path.stem]
