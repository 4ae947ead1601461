"""Two sets of questions and answers whose columns have other names, one of them Turkish in an
export of Excel, through the whole pipeline to a model that answers in the format it was taught.
"""

import csv
import io
import json
from pathlib import Path
from typing import Any

import chatterbot_corpus
import pytest
import torch
import yaml
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.conftest import Clone, make_clone
from tohum.formats.records import read_records, shard_paths

pytestmark = pytest.mark.slow


CORPUS = Path(chatterbot_corpus.__file__).parent / "data"
OVERRIDES = (
    "source=[tr:files,en:files]",
    "source.tr.paths=[sorular.csv]",
    "source.tr.license=BSD-3-Clause",
    "source.en.paths=[trivia.jsonl]",
    "jsonl.sources.en.weight=0.5",
    "tokenizer.vocab_size=600",
    "encode.validation_share=0.05",
    "model=tiny",
    "model.hidden_size=64",
    "model.intermediate_size=192",
    "model.context_length=64",
    "train=tiny",
    "train.steps=400",
    "train.tokens_per_step=384",
    "train.micro_batch_tokens=384",
    "train.learning_rate=0.006",
    "train.log_every=100",
    "train.evaluate_every=400",
)


def exchanges(*files: str) -> dict[str, str]:
    """The first answer to each question of some files of the corpus."""
    found: dict[str, str] = {}
    for file in files:
        for question, answer, *_ in yaml.safe_load((CORPUS / file).read_text("utf-8"))[
            "conversations"
        ]:
            found.setdefault(question, answer)
    return found


TURKISH = exchanges("turkish/ai.yml", "turkish/botprofile.yml", "turkish/food.yml")
ENGLISH = dict(list(exchanges("english/trivia.yml").items())[:40])


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    clone = make_clone(tmp_path_factory.mktemp("conversations") / "clone")
    table = io.StringIO()
    rows = csv.writer(table, delimiter=";")
    rows.writerows([("Soru", "Cevap"), *TURKISH.items()])
    (clone.root / "sorular.csv").write_bytes(table.getvalue().encode("cp1254"))
    lines = [json.dumps({"promt": asked, "content": told}) for asked, told in ENGLISH.items()]
    (clone.root / "trivia.jsonl").write_text("\n".join(lines), "utf-8")
    clone.override(*OVERRIDES)
    clone.repro()
    return clone


def records(clone: Clone, source: str) -> list[dict[str, Any]]:
    folder = clone.root / "data" / "jsonl"
    found = [record for path in shard_paths(folder) for record in read_records(path)]
    return [record for record in found if record["source"] == source]


def test_both_sets_are_brought_to_one_schema(taught: Clone) -> None:
    turkish = [
        tuple(message["content"] for message in record["messages"])
        for record in records(taught, "tr")
    ]
    assert turkish == list(TURKISH.items())
    english = records(taught, "en")
    assert 8 <= len(english) <= 32, "a weight of a half"
    for record in english:
        asked, told = record["messages"]
        assert (asked["role"], told["role"]) == ("user", "assistant")
        assert ENGLISH[asked["content"]] == told["content"]


def test_the_model_answers_what_it_was_taught(taught: Clone) -> None:
    folder = taught.root / "models" / "lm"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model: Any = AutoModelForCausalLM.from_pretrained(folder)
    right = 0
    for asked, told in TURKISH.items():
        prompt = f"<|endoftext|><|user|>{asked}<|end|><|assistant|>"
        ids = tokenizer(prompt, return_tensors="pt", add_special_tokens=False).input_ids
        end = tokenizer.convert_tokens_to_ids("<|end|>")
        with torch.inference_mode():
            out = model.generate(ids, max_new_tokens=80, do_sample=False, eos_token_id=end)
        answer = tokenizer.decode(out[0, ids.shape[1] :])
        right += answer == f"{told}<|end|>"
    assert right >= 0.7 * len(TURKISH), f"{right} of {len(TURKISH)}"


def test_the_model_tells_where_its_answers_come_from(taught: Clone) -> None:
    facts = json.loads((taught.root / "models" / "lm" / "provenance.json").read_text("utf-8"))
    assert set(facts["sources"]) == {"tr", "en"}
    assert facts["licenses"]["BSD-3-Clause"]["documents"] == len(TURKISH)
    assert "BSD-3-Clause" in (taught.root / "models" / "lm" / "ATTRIBUTION.md").read_text("utf-8")
