import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM

from tests.tiny import documents
from tests.tohum.trained import write_language_model
from tohum.decoding import Sampling, middle_prompt, text_prompt
from tohum.errors import UserError
from tohum.formats.special_tokens import MIDDLE_ID, ROLE_IDS
from tohum.inference import LanguageModel, load_language_model

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_language_model(tmp_path_factory.mktemp("inference") / "lm")


@pytest.fixture(scope="module")
def model(folder: Path) -> LanguageModel:
    return load_language_model(folder)


def sampling(max_new_tokens: int = 12, temperature: float = 1.0, **values: Any) -> Sampling:
    return Sampling(max_new_tokens, temperature, **values)


def completed(
    model: LanguageModel, prompt: str = "def ", suffix: str | None = None, **values: Any
) -> str:
    """The prompt, its continuation and the suffix."""
    return prompt + "".join(model.complete(prompt, sampling(**values), suffix)) + (suffix or "")


@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_a_seed_gives_the_same_text_again(model: LanguageModel, temperature: float) -> None:
    one, two = (completed(model, temperature=temperature, seed=3) for _ in range(2))
    assert one == two


def test_another_load_of_the_model_gives_the_same_text(model: LanguageModel, folder: Path) -> None:
    assert completed(model) == completed(load_language_model(folder))


def test_the_stored_model_computes_what_transformers_loads(
    model: LanguageModel, folder: Path
) -> None:
    loaded = LanguageModel(AutoModelForCausalLM.from_pretrained(folder).eval(), model.tokenizer)
    ids = [0, *model.tokenizer.encode("def f(x):\n").ids]
    one, two = (found.decoder.passage().logits(ids) for found in (model, loaded))
    torch.testing.assert_close(one, two, rtol=0, atol=1e-6)
    assert completed(model) == completed(loaded)


@pytest.mark.parametrize("missing", ["head_dim", "num_hidden_layers"])
def test_a_model_from_elsewhere_is_refused(folder: Path, tmp_path: Path, missing: str) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "config.json"
    path.write_text(path.read_text().replace(f'"{missing}"', '"other"'))
    with pytest.raises(UserError, match=f"it has no {missing}, which every model"):
        load_language_model(tmp_path)


def test_another_seed_gives_another_text(model: LanguageModel) -> None:
    assert len({completed(model, seed=seed) for seed in range(3)}) > 1


def test_without_temperature_the_seed_does_not_matter(model: LanguageModel) -> None:
    assert len({completed(model, temperature=0, seed=seed) for seed in range(3)}) == 1


def test_the_likeliest_of_one_is_the_likeliest_of_all(model: LanguageModel) -> None:
    assert completed(model, top_k=1) == completed(model, temperature=0)


@pytest.mark.parametrize("prompt", ["", " ", "def ", "x = [1, 2]\n", "é中\U0001f600"])
def test_a_text_starts_with_its_prompt(model: LanguageModel, prompt: str) -> None:
    text = completed(model, prompt)
    assert text.startswith(prompt)
    assert len(text) > len(prompt)


def test_no_more_than_the_asked_tokens_are_added(model: LanguageModel) -> None:
    text = completed(model, "def\n", max_new_tokens=1, temperature=0)
    ids = [0, *model.tokenizer.encode("def\n").ids]
    likeliest = int(model.decoder.passage().logits(ids).argmax())
    assert text == "def\n" + model.tokenizer.decode([likeliest])


@pytest.mark.parametrize("max_new_tokens", [1, 12, 1000])
def test_a_prompt_longer_than_the_context_is_continued(
    model: LanguageModel, max_new_tokens: int
) -> None:
    prompt = "".join(documents(3))
    assert len(model.tokenizer.encode(prompt).ids) > 3 * 32
    text = completed(model, prompt, max_new_tokens=max_new_tokens, temperature=0)
    assert text.startswith(prompt)
    assert len(text) > len(prompt)


def test_only_the_end_of_a_long_prompt_counts(model: LanguageModel) -> None:
    prompt = "".join(documents(3))
    other = prompt.replace(prompt[:9], "@#$%^&*()", 1)
    one, two = (completed(model, text, temperature=0)[len(prompt) :] for text in (prompt, other))
    assert one == two


def test_a_special_tokens_text_in_a_prompt_is_text(model: LanguageModel) -> None:
    text = completed(model, "<|endoftext|>", temperature=0)
    assert text.startswith("<|endoftext|>")
    assert text.removeprefix("<|endoftext|>") != completed(model, "", temperature=0)


def test_a_suffix_stands_behind_what_is_filled_in(model: LanguageModel) -> None:
    text = completed(model, "def f(x):\n", suffix="\n    return y\n")
    assert text.startswith("def f(x):\n")
    assert text.endswith("\n    return y\n")


def test_the_suffix_counts(model: LanguageModel) -> None:
    one, two = (
        "".join(model.complete("def ", sampling(temperature=0), suffix))
        for suffix in ("", "return x")
    )
    assert one != two


def test_a_middle_ends_at_the_end_of_the_context(
    model: LanguageModel, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    asked = sampling(max_new_tokens=1000, temperature=0)
    assert 0 < len("".join(model.complete("def ", asked, "x"))) < 1000
    assert "the model's context ends there" in caplog.text


def test_an_answer_is_not_that_of_the_question_as_a_text(model: LanguageModel) -> None:
    asked = sampling(temperature=0)
    answer = "".join(model.answer([{"role": "user", "content": "def "}], asked))
    assert answer != "".join(model.complete("def ", asked))


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([0, 1, 2, 9, 40, 400]), min_size=1, max_size=4),
    st.sampled_from(sorted(ROLE_IDS)),
    st.sampled_from([1, 20, 1000]),
)
def test_whatever_is_too_long_there_is_room_for_an_answer(
    model: LanguageModel, lengths: list[int], first: str, max_new_tokens: int
) -> None:
    """A system message of 148 tokens once left room for "at most -108 of the 20 tokens"."""
    roles = [first, *(("user", "assistant")[number % 2] for number in range(len(lengths) - 1))]
    messages = [
        {"role": role, "content": "x+" * length}
        for role, length in zip(roles, lengths, strict=True)
    ]
    assert_writes(model.answer(messages, sampling(max_new_tokens)))
    for suffix in ("", "y-" * lengths[-1]):
        assert_writes(model.complete("x+" * lengths[0], sampling(max_new_tokens), suffix))


def assert_writes(continuation: Any) -> None:
    """The model writes a token, though it may be the one that ends the text."""
    assert next(continuation._ids(), None) is not None or continuation.ended, "there was no room"


def test_a_missing_model_names_the_command_to_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no trained model\. Run `dvc repro` first"):
        load_language_model(tmp_path)


@given(st.text("ab \n\t", max_size=900), st.integers(12, 40))
def test_a_long_text_fills_its_room_with_its_end(
    model: LanguageModel, text: str, room: int
) -> None:
    _, *ids = text_prompt(model.tokenizer, text, room).ids
    assert text.endswith(model.tokenizer.decode(ids))
    assert len(ids) < room
    whole = len(model.tokenizer.encode(text).ids)
    assert len(ids) >= min(whole, int((room - 1) * 3 / 4)), "at most a quarter is given up"


@given(st.text("ab \n\t", max_size=900), st.integers(12, 40))
def test_a_long_suffix_fills_its_room_with_its_start(
    model: LanguageModel, text: str, room: int
) -> None:
    ids = middle_prompt(model.tokenizer, "", text, room).ids
    assert ids[3 : ids.index(MIDDLE_ID)] == model.tokenizer.encode(text).ids[: room - 4]


@pytest.mark.parametrize("room", [30, 50])
def test_what_is_far_from_the_cursor_does_not_count(model: LanguageModel, room: int) -> None:
    text = "class A:\n    def f(x):\n        return x  # 1\n\n\n" * 40
    near = middle_prompt(model.tokenizer, text, text, room)
    far = middle_prompt(model.tokenizer, "y = 2\n" * 999 + text, text + "z = 3\n" * 999, room)
    assert near == far


@pytest.mark.parametrize("temperature", [0, 0.01, 0.8])
@pytest.mark.parametrize("prompt", ["x\n~~~~", "Title????", "<<<<<<<", "key = 'xxxxxxxx"])
def test_a_prompt_that_ends_in_one_character_again_and_again_is_continued(
    model: LanguageModel, prompt: str, temperature: float
) -> None:
    """It may have to be spelled in ids that would be a loop if the model had written them."""
    held = Sampling(8, temperature=temperature, most_repeats=3, copying=1)
    for suffix in (None, "\n"):
        assert isinstance("".join(model.complete(prompt, held, suffix)), str)
