import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from stages.evaluate.export import export, write_model
from tests.tiny import PROJECT, model_and_train, write_tiny_tokenizer
from tohum.commands.export.gguf_file import plain_template, write_gguf
from tohum.errors import UserError
from tohum.model.network import Network

pytestmark = pytest.mark.slow


LLAMA = "model.architecture=llama"
SHAPES = {
    "llama": (LLAMA,),
    "grouped": (LLAMA, "model.num_heads=4", "model.num_key_value_heads=2"),
    "qwen3": ("model.architecture=qwen3",),
}
IDS = [0, *range(9, 300, 20)]


def trained(folder: Path, *overrides: str) -> tuple[PreTrainedModel, Path]:
    """A model, and its models/lm."""
    config, _ = model_and_train("model.initializer_range=0.3", *overrides)
    torch.manual_seed(1)
    model = export(Network(config, 300).state_dict(), config)
    with torch.no_grad():  # of a training they are all one, which would hide a mistake in them
        for name, weight in model.named_parameters():
            if name.endswith("norm.weight"):
                weight.uniform_(0.5, 1.5)
    write_tiny_tokenizer(folder / "tokenizer")
    (folder / "lm").mkdir()
    write_model(model, folder / "lm", folder / "tokenizer")
    return model, folder / "lm"


def transformers_logits(model: Any) -> Any:
    with torch.inference_mode():
        return model(input_ids=torch.tensor([IDS])).logits[0].numpy()


@pytest.mark.parametrize("shape", SHAPES)
def test_llama_cpp_gives_the_logits_of_transformers(shape: str, tmp_path: Path) -> None:
    from tests.tohum.commands.export.llama_cpp import load, logits

    model, lm = trained(tmp_path, *SHAPES[shape])
    write_gguf(lm, tmp_path / "lm.gguf", "float32")
    expected = transformers_logits(model)
    numpy.testing.assert_allclose(logits(load(tmp_path / "lm.gguf"), IDS), expected, atol=2e-5)
    assert expected.std() > 0.1  # no two constant answers


def test_half_precision_halves_the_file_and_hardly_moves_the_logits(tmp_path: Path) -> None:
    from tests.tohum.commands.export.llama_cpp import load, logits

    model, lm = trained(tmp_path, "model.hidden_size=64", "model.context_length=16")
    whole, half = tmp_path / "whole.gguf", tmp_path / "half.gguf"
    write_gguf(lm, whole, "float32")
    write_gguf(lm, half, "float16")
    assert half.stat().st_size < 0.55 * whole.stat().st_size
    expected = transformers_logits(model)
    difference = abs(logits(load(half), IDS) - expected)
    assert 0 < difference.max() < 0.05 * expected.std()


@pytest.mark.parametrize("shape", ["llama", "grouped"])  # of a qwen3 it expects heads of 128
def test_transformers_reads_the_weights_back_unchanged(shape: str, tmp_path: Path) -> None:
    model, lm = trained(tmp_path, *SHAPES[shape])
    write_gguf(lm, lm / "lm.gguf", "float32")
    loaded = AutoModelForCausalLM.from_pretrained(lm, gguf_file="lm.gguf")
    assert (transformers_logits(loaded) == transformers_logits(model)).all()


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    _, lm = trained(tmp_path)
    for name in ("one", "two"):
        write_gguf(lm, tmp_path / name, "float32")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"tokenizer", "lm", "one", "two"}


def test_the_plain_template_writes_what_the_template_does(tmp_path: Path) -> None:
    _, lm = trained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(lm)
    messages = [{"role": role, "content": role} for role in ("system", "user", "assistant", "user")]
    plain = plain_template(tokenizer.chat_template)
    assert "generation -%}" not in plain
    for prompt in (True, False):
        assert tokenizer.apply_chat_template(
            messages, chat_template=plain, tokenize=False, add_generation_prompt=prompt
        ) == tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=prompt)


def test_the_command_writes_the_file_and_tells_its_caveat(tmp_path: Path) -> None:
    trained(tmp_path / "models")
    (tmp_path / "conf").mkdir()
    (tmp_path / "dvc.yaml").touch()
    process = subprocess.run(
        [sys.executable, "-m", "tohum", "export", "--dtype", "float16"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(PROJECT), *sys.path])},
        capture_output=True,
        text=True,
        check=True,
    )
    path = tmp_path / "models" / "lm.gguf"
    assert process.stdout.startswith(f"{path.relative_to(tmp_path)}: {path.stat().st_size:,} bytes")
    assert "numbers of three digits" in process.stdout
    assert process.stderr == ""


def test_without_a_trained_model_it_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"config\.json is missing\. Run `dvc repro`"):
        write_gguf(tmp_path, tmp_path / "lm.gguf", "float32")


def test_without_its_package_it_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, lm = trained(tmp_path)
    monkeypatch.setitem(sys.modules, "gguf", None)  # what Python itself does to forbid an import
    with pytest.raises(UserError, match=r"pip install .*\[gguf\]"):
        write_gguf(lm, tmp_path / "lm.gguf", "float32")
    assert not (tmp_path / "lm.gguf").exists()
