from pathlib import Path
from typing import Any

import pytest
import torch

from stages.config import Generate
from stages.errors import UserError
from stages.generate.completion import complete, load_model, stream_completion
from stages.train.model import build_model, set_determinism
from tests.tiny import documents, model_and_train, write_tiny_tokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models/lm of random weights with a context of 32 tokens."""
    folder = tmp_path_factory.mktemp("generate") / "lm"
    write_tiny_tokenizer(folder)
    config, run = model_and_train("model.context_length=32", "model.initializer_range=0.3")
    set_determinism(run)
    build_model(config, vocab_size=300).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def loaded(folder: Path) -> tuple[Any, Any]:
    return load_model(folder)


def options(prompt: str = "def ", **values: Any) -> Generate:
    defaults = {"max_new_tokens": 12, "temperature": 1.0, "top_k": 0, "top_p": 1.0, "seed": 0}
    return Generate(prompt=prompt, **{**defaults, **values})


def new_ids(loaded: tuple[Any, Any], options: Generate) -> int:
    """How many tokens at the least a completion has added."""
    _, tokenizer = loaded
    added = complete(*loaded, options)[len(options.prompt) :]
    return len(tokenizer(added, add_special_tokens=False)["input_ids"])


@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_a_seed_gives_the_same_text_again(loaded: tuple[Any, Any], temperature: float) -> None:
    one, two = (complete(*loaded, options(temperature=temperature, seed=3)) for _ in range(2))
    assert one == two


def test_another_load_of_the_model_gives_the_same_text(
    loaded: tuple[Any, Any], folder: Path
) -> None:
    assert complete(*loaded, options()) == complete(*load_model(folder), options())


def test_another_seed_gives_another_text(loaded: tuple[Any, Any]) -> None:
    assert len({complete(*loaded, options(seed=seed)) for seed in range(3)}) > 1


def test_without_temperature_the_seed_does_not_matter(loaded: tuple[Any, Any]) -> None:
    assert len({complete(*loaded, options(temperature=0, seed=seed)) for seed in range(3)}) == 1


def test_the_likeliest_of_one_is_the_likeliest_of_all(loaded: tuple[Any, Any]) -> None:
    assert complete(*loaded, options(top_k=1)) == complete(*loaded, options(temperature=0))


@pytest.mark.parametrize("prompt", ["", " ", "def ", "x = [1, 2]\n", "é中\U0001f600"])
def test_a_text_starts_with_its_prompt(loaded: tuple[Any, Any], prompt: str) -> None:
    text = complete(*loaded, options(prompt))
    assert text.startswith(prompt)
    assert len(text) > len(prompt)


def test_no_more_than_the_asked_tokens_are_added(loaded: tuple[Any, Any]) -> None:
    model, tokenizer = loaded
    text = complete(model, tokenizer, options(max_new_tokens=1, temperature=0))
    ids = torch.tensor([[0, *tokenizer("def ", add_special_tokens=False)["input_ids"]]])
    with torch.inference_mode():
        likeliest = int(model(input_ids=ids).logits[0, -1].argmax())
    assert text == "def " + tokenizer.decode([likeliest], skip_special_tokens=True)


@pytest.mark.parametrize("max_new_tokens", [1, 12, 1000])
def test_a_prompt_longer_than_the_context_is_continued(
    loaded: tuple[Any, Any], max_new_tokens: int
) -> None:
    _, tokenizer = loaded
    prompt = "".join(documents(3))
    assert len(tokenizer(prompt)["input_ids"]) > 3 * 32
    text = complete(*loaded, options(prompt, max_new_tokens=max_new_tokens, temperature=0))
    assert text.startswith(prompt)
    assert len(text) > len(prompt)


def test_only_the_end_of_a_long_prompt_counts(loaded: tuple[Any, Any]) -> None:
    prompt = "".join(documents(3))
    asked = options(prompt, temperature=0)
    other = options(prompt.replace(prompt[:9], "@#$%^&*()", 1), temperature=0)
    assert complete(*loaded, other)[len(prompt) :] == complete(*loaded, asked)[len(prompt) :]


def test_the_context_is_never_exceeded(loaded: tuple[Any, Any]) -> None:
    assert 0 < new_ids(loaded, options(max_new_tokens=1000, temperature=0)) < 32


def test_the_stream_is_the_completion(
    loaded: tuple[Any, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    for seed in range(4):
        stream_completion(*loaded, options(seed=seed))
        assert capsys.readouterr().out == complete(*loaded, options(seed=seed)) + "\n"


def test_a_missing_model_names_the_command_to_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no trained model\. Run `dvc repro` first"):
        load_model(tmp_path)
