"""An exported model in llama.cpp writes what the model itself writes."""

import random
import shutil
import sys
from pathlib import Path

import pytest
import torch

from tests.tohum.trained import write_language_model
from tohum.decoding import Sampling
from tohum.errors import UserError
from tohum.gguf_decoder import INSTALL, model_sha256
from tohum.inference import LanguageModel, load_exported_model, load_language_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_language_model(tmp_path_factory.mktemp("gguf") / "lm")


@pytest.fixture(scope="module")
def models(folder: Path) -> tuple[LanguageModel, LanguageModel]:
    pytest.importorskip("llama_cpp", reason="llama-cpp-python, from the extra llama-cpp")
    from tohum.commands.export.gguf_file import write_gguf

    file = folder.with_suffix(".gguf")
    write_gguf(folder, file, "float32")
    return load_language_model(folder), load_exported_model(file, folder)


def test_its_logits_are_the_same_however_the_ids_come(
    models: tuple[LanguageModel, LanguageModel],
) -> None:
    own, exported = (model.passage() for model in models)
    generator = random.Random(0)
    for _ in range(20):
        ids = [1, 2, 3, *generator.choices(range(300), k=generator.randint(0, 29))]
        torch.testing.assert_close(exported.logits(ids), own.logits(ids), rtol=0, atol=1e-3)
        assert exported.common(ids) == len(ids)
        assert exported.common([1, 2]) == 2
        assert exported.common([*ids[:2], 0]) == 2


@pytest.mark.parametrize("suffix", [None, "return"])
@pytest.mark.parametrize("prompt", ["def ", "x = 1\n", "impo"])
def test_its_likeliest_text_is_the_same(
    models: tuple[LanguageModel, LanguageModel], prompt: str, suffix: str | None
) -> None:
    own, exported = ("".join(model.complete(prompt, Sampling(16), suffix)) for model in models)
    assert own == exported


def test_a_file_of_another_vocabulary_is_refused(
    models: tuple[LanguageModel, LanguageModel], folder: Path, tmp_path: Path
) -> None:
    from tests.tiny import write_tiny_tokenizer

    write_tiny_tokenizer(tmp_path / "other", vocab_size=290)
    with pytest.raises(UserError, match=r"300 tokens, the tokenizer in .* has 290"):
        load_exported_model(folder.with_suffix(".gguf"), tmp_path / "other")


@pytest.mark.parametrize("content", [None, b"GGUF and no more"])
def test_a_file_that_is_missing_or_damaged_is_told(
    models: tuple[LanguageModel, LanguageModel], folder: Path, tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "lm.gguf").write_bytes(content)
    with pytest.raises(UserError, match="Run `tohum export`"):
        load_exported_model(tmp_path / "lm.gguf", folder)


def test_without_the_package_the_way_to_install_it_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "llama_cpp", None)
    with pytest.raises(UserError) as refused:
        load_exported_model(folder.with_suffix(".gguf"), folder)
    assert INSTALL in str(refused.value)


def test_a_file_of_an_earlier_model_is_refused(
    models: tuple[LanguageModel, LanguageModel], folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(folder, tmp_path / "lm")
    with (tmp_path / "lm" / "model.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x01")
    with pytest.raises(UserError, match=r"is not the model in .* as it is now"):
        load_exported_model(folder.with_suffix(".gguf"), tmp_path / "lm")


def test_the_hash_of_a_model_is_of_weights_and_tokenizer(folder: Path, tmp_path: Path) -> None:
    hashes = {model_sha256(folder)}
    for name in ("model.safetensors", "tokenizer.json"):
        shutil.copytree(folder, tmp_path / name)
        with (tmp_path / name / name).open("ab") as file:
            file.write(b" ")
        hashes.add(model_sha256(tmp_path / name))
    assert len(hashes) == 3
