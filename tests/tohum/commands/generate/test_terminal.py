import io

import pytest

from tests.tohum.trained import write_language_model
from tohum.commands.generate.config import Generate
from tohum.commands.generate.terminal import converse, print_completion
from tohum.decoding import Sampling
from tohum.inference import LanguageModel, load_language_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return load_language_model(write_language_model(tmp_path_factory.mktemp("terminal") / "lm"))


def test_a_conversation_sees_what_was_said_before(
    model: LanguageModel, capsys: pytest.CaptureFixture[str]
) -> None:
    greedy = Sampling(4)
    converse(model, greedy, io.StringIO("a\nb\n\nc\n"))
    printed = capsys.readouterr().out
    first = "".join(model.answer([{"role": "user", "content": "a"}], greedy))
    messages = [("user", "a"), ("assistant", first), ("user", "b")]
    second = "".join(
        model.answer([{"role": role, "content": text} for role, text in messages], greedy)
    )
    assert printed == f"{first}\n{second}\n"


@pytest.mark.parametrize("suffix", [None, "", "return x"])
def test_what_is_printed_is_the_completion_between_prompt_and_suffix(
    model: LanguageModel, capsys: pytest.CaptureFixture[str], suffix: str | None
) -> None:
    for seed in range(4):
        options = Generate("def ", suffix, False, 0, 12, 1.0, 0, 1.0, seed, 0, 1)
        print_completion(model, options)
        written = "".join(model.complete("def ", options.sampling, suffix))
        assert capsys.readouterr().out == f"def {written}{suffix or ''}\n"
