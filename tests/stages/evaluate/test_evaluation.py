import json
import logging
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from stages.evaluate.evaluation import device_of, evaluate
from tests.stages.evaluate.trained import evaluate_section, write_random_weights
from tests.tiny import documents, file_bytes
from tohum.errors import UserError
from tohum.formats.special_tokens import END_ID, END_OF_TEXT_ID, PADDING_ID
from tohum.formats.tokenizer import load_tokenizer
from tohum.formats.tokens import read_meta, read_split
from tohum.model.architectures import NAMES
from tohum.model.scoring import bits_per_byte, token_sizes, validation_windows

pytestmark = pytest.mark.slow


WEIGHTS = Path("models/weights")
TOKENIZER = Path("models/tokenizer")
TOKENS = Path("data/tokens")
PROMPTS = Path("conf/prompts.txt")


@pytest.fixture(autouse=True)
def project(inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(inputs, tmp_path, dirs_exist_ok=True)


def evaluated(*overrides: str, out: str = "lm") -> Path:
    """Runs the stage and returns the folder of the model."""
    section = evaluate_section(*overrides)
    evaluate(section, WEIGHTS, TOKENS, TOKENIZER, PROMPTS, Path(out), Path(f"{out}.json"))
    return Path(out)


def metrics(path: str = "lm.json") -> dict[str, Any]:
    found = json.loads(Path(path).read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


class Losses(torch.nn.Module):
    """A model of transformers in a network's place: the loss of each target."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        logits = self.model(input_ids=ids).logits
        losses = torch.nn.functional.cross_entropy(logits.mT, targets, reduction="none")
        assert isinstance(losses, torch.Tensor)
        return losses


def test_metrics_are_those_of_the_saved_model() -> None:
    folder = evaluated()
    found = metrics()
    model: Any = AutoModelForCausalLM.from_pretrained(folder)
    bpb = bits_per_byte(
        Losses(model),
        validation_windows(read_split(TOKENS, "val"), 16),
        token_sizes(load_tokenizer(TOKENIZER)),
        2,
        torch.device("cpu"),
    )
    assert found["bits_per_byte"] == pytest.approx(bpb, abs=1e-5)
    assert found["parameters"] == sum(parameter.numel() for parameter in model.parameters())
    assert (found["val_documents"], found["val_bytes"]) == (10, read_meta(TOKENS)["val"]["bytes"])
    assert f"{found['bits_per_byte']:.4f}" in (folder / "README.md").read_text(encoding="utf-8")


def test_the_facts_of_the_training_stand_beside_the_figures() -> None:
    write_random_weights(Path(), processes=3, precision="bfloat16", processor="aarch64 test")
    evaluated()
    found = metrics()
    assert (found["steps"], found["tokens"], found["epochs"]) == (6, 384, 0.25)
    assert (found["threads"], found["processes"]) == (1, 3)
    assert (found["precision"], found["processor"]) == ("bfloat16", "aarch64 test")
    assert found["evaluated_on"] != "aarch64 test"


@pytest.mark.parametrize("architecture", NAMES)
def test_the_saved_model_gives_the_logits_of_the_network(architecture: str) -> None:
    network = write_random_weights(Path(), f"model.architecture={architecture}")
    model: Any = AutoModelForCausalLM.from_pretrained(evaluated())
    ids = torch.randint(300, (3, 16), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        logits = network.hidden(ids) @ network.embedding.T
        assert torch.allclose(logits, model(input_ids=ids).logits, atol=2e-4, rtol=2e-4)
    assert logits.std() > 0.1  # not two constant answers


def test_the_saved_folder_has_all_that_transformers_needs() -> None:
    folder = evaluated()
    tokenizer: Any = AutoTokenizer.from_pretrained(str(folder))
    text = documents(1)[0]
    assert tokenizer(text)["input_ids"] == load_tokenizer(TOKENIZER).encode(text).ids
    model: Any = AutoModelForCausalLM.from_pretrained(folder)
    assert model.config.vocab_size == len(tokenizer) == 300
    assert model.config.max_position_embeddings == tokenizer.model_max_length == 16
    assert len(tokenizer("x " * 99, truncation=True)["input_ids"]) == 16
    assert model.generation_config.eos_token_id == [END_OF_TEXT_ID, END_ID]
    assert tokenizer.eos_token_id == END_OF_TEXT_ID
    assert tokenizer.chat_template
    assert model.generation_config.pad_token_id == PADDING_ID == tokenizer.pad_token_id
    assert {tensor.dtype for tensor in load_file(folder / "model.safetensors").values()} == {
        torch.float32
    }


def test_evaluating_twice_gives_the_same_files_and_leaves_no_work() -> None:
    one, two = evaluated(out="one"), evaluated(out="two")
    names = {"README.md", "ATTRIBUTION.md", "provenance.json", "origins.jsonl", "completions.md"}
    assert names <= file_bytes(one).keys()
    assert file_bytes(one) == file_bytes(two)
    assert Path("one.json").read_bytes() == Path("two.json").read_bytes()
    assert not [path for path in Path(".work/evaluate").iterdir() if path.is_dir()]


@pytest.mark.parametrize(
    ("name", "there"),
    [("cuda:0", torch.cuda.is_available()), ("mps", torch.backends.mps.is_available())],
)
def test_a_device_that_is_not_here_is_replaced_by_the_cpu(
    name: str, there: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        found = device_of(name)
    assert found.type == (name.partition(":")[0] if there else "cpu")
    assert ("measuring on the CPU" in caplog.text) != there
    assert device_of("cpu").type == "cpu"


def test_the_figures_do_not_depend_on_the_size_of_a_batch() -> None:
    evaluated(out="one")
    evaluated("evaluate.batch_tokens=1", out="two")  # a window at a time
    one, two = metrics("one.json"), metrics("two.json")
    assert one["bits_per_byte"] == pytest.approx(two["bits_per_byte"], abs=1e-5)


def test_weights_of_other_tokens_are_refused() -> None:
    write_random_weights(Path(), tokens_meta_sha256="0" * 64)
    with pytest.raises(UserError, match=r"was not trained on the tokens in .* `dvc repro train`"):
        evaluated()
    assert not Path("lm").exists()


def test_missing_weights_are_named() -> None:
    shutil.rmtree(WEIGHTS)
    with pytest.raises(UserError, match=r"weights.safetensors is missing. Run `dvc repro train`"):
        evaluated()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_gpu_gives_the_figures_of_the_cpu() -> None:
    evaluated(out="one")
    write_random_weights(Path(), device="cuda")
    evaluated(out="two")
    assert metrics("two.json")["bits_per_byte"] == pytest.approx(
        metrics("one.json")["bits_per_byte"], abs=1e-4
    )
