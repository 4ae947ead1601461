import io
from pathlib import Path
from typing import Any

import pytest
import torch

from stages.evaluate.export import transformers_model
from tests.tiny import documents, model_and_train, write_tiny_tokenizer
from tohum.commands.generate.completion import Writer, complete, load_model, stream_completion
from tohum.commands.generate.config import Generate
from tohum.commands.generate.conversation import converse
from tohum.errors import UserError
from tohum.model.determinism import set_determinism


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models/lm of random weights with a context of 32 tokens."""
    folder = tmp_path_factory.mktemp("generate") / "lm"
    write_tiny_tokenizer(folder)
    config, run = model_and_train("model.context_length=32", "model.initializer_range=0.3")
    set_determinism(run.seed, run.threads)
    transformers_model(config, vocab_size=300).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def writer(folder: Path) -> Writer:
    return load_model(folder)


def options(prompt: str = "def ", **values: Any) -> Generate:
    defaults = {
        "suffix": None,
        "chat": False,
        "serve": False,
        "port": 0,
        "max_new_tokens": 12,
        "temperature": 1.0,
        "top_k": 0,
        "top_p": 1.0,
        "seed": 0,
    }
    return Generate(prompt=prompt, **{**defaults, **values})


@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_a_seed_gives_the_same_text_again(writer: Writer, temperature: float) -> None:
    one, two = (complete(writer, options(temperature=temperature, seed=3)) for _ in range(2))
    assert one == two


def test_another_load_of_the_model_gives_the_same_text(writer: Writer, folder: Path) -> None:
    assert complete(writer, options()) == complete(load_model(folder), options())


def test_another_seed_gives_another_text(writer: Writer) -> None:
    assert len({complete(writer, options(seed=seed)) for seed in range(3)}) > 1


def test_without_temperature_the_seed_does_not_matter(writer: Writer) -> None:
    assert len({complete(writer, options(temperature=0, seed=seed)) for seed in range(3)}) == 1


def test_the_likeliest_of_one_is_the_likeliest_of_all(writer: Writer) -> None:
    assert complete(writer, options(top_k=1)) == complete(writer, options(temperature=0))


@pytest.mark.parametrize("prompt", ["", " ", "def ", "x = [1, 2]\n", "é中\U0001f600"])
def test_a_text_starts_with_its_prompt(writer: Writer, prompt: str) -> None:
    text = complete(writer, options(prompt))
    assert text.startswith(prompt)
    assert len(text) > len(prompt)


def test_no_more_than_the_asked_tokens_are_added(writer: Writer) -> None:
    text = complete(writer, options(max_new_tokens=1, temperature=0))
    ids = torch.tensor([[0, *writer.tokenizer.encode("def ").ids]])
    with torch.inference_mode():
        likeliest = int(writer.model(input_ids=ids).logits[0, -1].argmax())
    assert text == "def " + writer.tokenizer.decode([likeliest])


@pytest.mark.parametrize("max_new_tokens", [1, 12, 1000])
def test_a_prompt_longer_than_the_context_is_continued(writer: Writer, max_new_tokens: int) -> None:
    prompt = "".join(documents(3))
    assert len(writer.tokenizer.encode(prompt).ids) > 3 * 32
    text = complete(writer, options(prompt, max_new_tokens=max_new_tokens, temperature=0))
    assert text.startswith(prompt)
    assert len(text) > len(prompt)


def test_only_the_end_of_a_long_prompt_counts(writer: Writer) -> None:
    prompt = "".join(documents(3))
    asked = options(prompt, temperature=0)
    other = options(prompt.replace(prompt[:9], "@#$%^&*()", 1), temperature=0)
    assert complete(writer, other)[len(prompt) :] == complete(writer, asked)[len(prompt) :]


def test_a_special_tokens_text_in_a_prompt_is_text(writer: Writer) -> None:
    asked = options("<|endoftext|>", temperature=0)
    assert complete(writer, asked).startswith("<|endoftext|>")
    assert "".join(writer.text(asked)) != "".join(writer.text(options("", temperature=0)))


def test_a_suffix_stands_behind_what_is_filled_in(writer: Writer) -> None:
    text = complete(writer, options("def f(x):\n", suffix="\n    return y\n"))
    assert text.startswith("def f(x):\n")
    assert text.endswith("\n    return y\n")


def test_the_suffix_counts(writer: Writer) -> None:
    one, two = (
        "".join(writer.text(options(suffix=suffix, temperature=0))) for suffix in ("", "return x")
    )
    assert one != two


def test_a_middle_ends_at_the_end_of_the_context(
    writer: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    asked = options(suffix="x", max_new_tokens=1000, temperature=0)
    assert 0 < len("".join(writer.text(asked))) < 1000
    assert "the model's context ends there" in caplog.text


def test_an_answer_is_not_that_of_the_question_as_a_text(writer: Writer) -> None:
    asked = options("def ", temperature=0)
    answer = "".join(writer.answer([{"role": "user", "content": "def "}], asked))
    assert answer != "".join(writer.text(asked))


def test_a_conversation_sees_what_was_said_before(
    writer: Writer, capsys: pytest.CaptureFixture[str]
) -> None:
    converse(writer, options(temperature=0, max_new_tokens=4), io.StringIO("a\nb\n\nc\n"))
    said = capsys.readouterr().out
    first = "".join(
        writer.answer([{"role": "user", "content": "a"}], options(temperature=0, max_new_tokens=4))
    )
    messages = [("user", "a"), ("assistant", first), ("user", "b")]
    second = "".join(
        writer.answer(
            [{"role": role, "content": content} for role, content in messages],
            options(temperature=0, max_new_tokens=4),
        )
    )
    assert said == f"{first}\n{second}\n"


def test_the_stream_is_the_completion(writer: Writer, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in range(4):
        stream_completion(writer, options(seed=seed))
        assert capsys.readouterr().out == complete(writer, options(seed=seed)) + "\n"


def test_a_missing_model_names_the_command_to_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no trained model\. Run `dvc repro` first"):
        load_model(tmp_path)
