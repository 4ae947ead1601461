import re
from dataclasses import asdict
from typing import Any

import pytest
import yaml

from stages.evaluate.card import front_matter, model_card
from tests.tiny import model_and_train
from tohum.licenses import spdx

FIGURES = {
    "bits_per_byte": 1.80791,
    "by_source": {"packages": 1.7, "a|b": 1.9},
    "by_language": {"Python": 1.80791},
    "parse_share": 0.625,
    "parameters": 1_115_264,
    "steps": 4000,
    "tokens": 4_096_000,
    "epochs": 0.2593,
    "val_documents": 55,
    "val_bytes": 777_878,
    "threads": 2,
    "processor": "x86_64",
}
PROVENANCE = {
    "sources": {"code": {"kind": "hub", "repo_id": "a/b", "revision": "c0ffee", "left_out": {}}},
    "licenses": {"MIT License": {"spdx": "MIT", "documents": 3, "bytes": 1200}},
    "raw_manifest_sha256": "f" * 64,
}


def card(figures: dict[str, Any] = FIGURES, **meta: Any) -> str:
    model, train = model_and_train()
    return model_card(figures, {"model": asdict(model), "train": asdict(train)}, meta)


def front(text: str) -> dict[str, Any]:
    found = yaml.safe_load(text.split("---\n")[1])
    assert isinstance(found, dict)
    return found


def test_the_card_has_figures_data_and_configuration() -> None:
    text = card(provenance=PROVENANCE, tokenizer_sha256="e" * 64)
    for expected in (
        "| parameters | 1,115,264 |",
        "| bits per byte on the validation documents | 1.8079 |",
        "| packages | 1.7000 |",
        r"| a\|b | 1.9000 |",
        "| Python | 1.8079 |",
        "| completions that are still Python | 62% |",
        "| revision | c0ffee |",
        "| MIT | 3 documents, 1,200 bytes |",
        f"| raw manifest | `{'f' * 64}` |",
        f"| tokenizer | `{'e' * 64}` |",
        "| train.steps | 6 |",
        "<|fim_prefix|><|fim_suffix|>`, the text after",
        "apply_chat_template",
    ):
        assert expected in text


def test_a_card_without_provenance_is_whole() -> None:
    bare = {key: value for key, value in FIGURES.items() if key[:3] not in ("by_", "par")}
    text = card({**bare, "parameters": 5})
    assert "None" not in text.replace("| None |", "")
    assert front(text)["library_name"] == "transformers"
    assert "license" not in front(text)


def test_one_license_and_the_hubs_datasets_stand_in_the_front_matter() -> None:
    found = front(card(provenance=PROVENANCE))
    assert found["license"] == "mit"
    assert found["datasets"] == ["a/b"]
    assert "code" in found["tags"]


def of_languages(*names: str) -> str:
    return card({**FIGURES, "by_language": dict.fromkeys(names, 1.5)})


def test_a_model_of_code_says_so_and_is_prompted_with_code() -> None:
    for text in (of_languages("Python"), of_languages("Go", "conversation", "other")):
        assert front(text)["language"] == ["code"]
        assert "code" in front(text)["tags"]
        assert 'tokenizer("<|endoftext|>def ", return_tensors="pt")' in text
        assert "looks like code" in text


def test_a_model_of_conversations_is_no_model_of_code() -> None:
    text = of_languages("conversation")
    assert "language" not in front(text)
    assert front(text)["tags"] == ["conversational", "trained-from-scratch"]
    assert '{"role": "user", "content": "Your question"}' in text
    assert "def " not in text
    assert "looks like its training texts" in text


def test_a_model_of_prose_is_prompted_with_a_text() -> None:
    text = of_languages("other", "Markdown")
    assert "language" not in front(text)
    assert 'tokenizer("<|endoftext|>How a text begins", return_tensors="pt")' in text
    assert "def " not in text


@pytest.mark.parametrize("names", [("Python",), ("conversation",), ("other",)])
def test_the_lines_to_use_the_model_are_python(names: tuple[str, ...]) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", of_languages(*names), re.S)
    compile(block, "card", "exec")


def test_two_names_of_a_license_are_one_and_two_licenses_none() -> None:
    def license(*names: str) -> Any:
        count = {"documents": 1, "bytes": 1}
        licenses = {name: {"spdx": spdx(name), **count} for name in names}
        return front_matter({"licenses": licenses}, set()).get("license")

    assert license("Apache-2.0", "Apache Software License") == "apache-2.0"
    assert license("MIT", "Apache-2.0") is None
    assert license("MIT", "of the house") is None
    assert license("GPL-3.0-or-later") == "gpl-3.0"
    assert license("BSD License") is None
    assert license("MIT OR Apache-2.0") is None
    assert license() is None
