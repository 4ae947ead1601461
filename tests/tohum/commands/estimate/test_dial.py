import json
from functools import partial
from pathlib import Path

import pytest

from stages.compose.checking import check
from stages.compose.composition import compose
from stages.train.display import operations_per_token
from tests.tiny import PROJECT
from tests.tohum.commands.estimate.test_training_costs import SUSTAINED, configured
from tohum import cli
from tohum.commands.estimate import dial
from tohum.commands.estimate.dial import (
    OPERATIONS,
    TOKENS,
    Pace,
    has_accelerator,
    layers_for,
    minutes_of,
    overrides_for,
    pace,
    replaced,
    tokens_per_step_for,
)
from tohum.errors import UserError

HOUR_TOKENS = 39e6  # that one_hour was tried with


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The overrides that were measured, in order, in a project of the defaults."""
    (tmp_path / "conf").symlink_to(PROJECT / "conf")
    (tmp_path / "params.yaml").write_text("overrides: []")
    monkeypatch.chdir(tmp_path)
    return []


def chosen(measured: list[list[str]], minutes: float, *overrides: str) -> list[str]:
    """What is chosen where 160 billion operations take a second."""

    def measure(overrides: list[str]) -> Pace:
        measured.append(overrides)
        config = check(compose(Path("conf"), overrides))
        tokens = config.train.tokens_per_step
        operations = tokens * operations_per_token(config.model, config.tokenizer.vocab_size)
        return Pace(operations, tokens, operations / 1.6e11)

    return overrides_for(minutes, list(overrides), measure)


def training_operations(*overrides: str, tokens: float) -> float:
    config = configured(*overrides)
    return tokens * operations_per_token(config.model, config.tokenizer.vocab_size)


def test_the_presets_are_points_of_the_line() -> None:
    default = training_operations(tokens=TOKENS)
    assert (layers_for(default), tokens_per_step_for(TOKENS)) == (4, 2048)
    hour = training_operations("model=one_hour", tokens=HOUR_TOKENS)
    assert (layers_for(hour), tokens_per_step_for(HOUR_TOKENS)) == (6, 4096)
    for preset, sustained in SUSTAINED.items():
        config = configured(f"model={preset}", f"train={preset}")
        assert layers_for(sustained * 60 * config.train.minutes) == config.model.num_layers


def test_half_of_the_defaults_time_is_for_the_model_that_was_best_in_it() -> None:
    assert layers_for(training_operations(tokens=TOKENS) / 2) == 3


@pytest.mark.parametrize(("operations", "layers"), [(1.0, 1), (OPERATIONS * 2**7, 8)])
def test_depth_grows_with_the_seventh_root_of_the_operations(
    operations: float, layers: int
) -> None:
    assert layers_for(operations) == layers


@pytest.mark.parametrize(("tokens", "batch"), [(1.0, 2048), (4 * TOKENS, 4096), (1e9, 16_384)])
def test_the_batch_grows_with_the_square_root_of_the_tokens(tokens: float, batch: int) -> None:
    assert tokens_per_step_for(tokens) == batch


def test_depth_and_batch_are_chosen_first_then_the_steps(measured: list[list[str]]) -> None:
    sizes = ["model.num_layers=5", "train.tokens_per_step=4096"]
    assert chosen(measured, 120, "source=tiny") == [*sizes, "train.steps=12420"]
    assert measured == [["source=tiny"], ["source=tiny", *sizes]]
    config = check(compose(Path("conf"), measured[-1]))
    took = 12420 * 4096 * operations_per_token(config.model, config.tokenizer.vocab_size) / 1.6e11
    assert took == pytest.approx(120 * 60, rel=0.01)


@pytest.mark.parametrize(
    "size", ["++model.num_layers=3", "model.hidden_size=128", "model.num_heads=2", "model=tiny"]
)
def test_a_model_that_was_chosen_stays(measured: list[list[str]], size: str) -> None:
    assert chosen(measured, 1, size)[0].startswith("train.tokens_per_step=")
    Path("params.yaml").write_text(json.dumps({"overrides": [size]}))
    assert chosen(measured, 1)[0].startswith("train.tokens_per_step=")


def keys(overrides: list[str]) -> list[str]:
    return [text.partition("=")[0] for text in overrides]


def test_a_batch_that_was_chosen_stays(measured: list[list[str]]) -> None:
    found = chosen(measured, 1, "train.tokens_per_step=8192")
    assert keys(found) == ["model.num_layers", "train.steps"]


@pytest.mark.parametrize(
    ("given", "ended"),
    [
        (["train=one_hour"], ["train.minutes=null"]),
        (["train.steps=null", "train.minutes=5"], ["train.minutes=null"]),
        (["train.steps=7", "train.bfloat16_steps=9"], ["train.bfloat16_steps=null"]),
        (["train.steps=7"], []),
    ],
)
def test_nothing_but_the_steps_ends_the_run(
    measured: list[list[str]], given: list[str], ended: list[str]
) -> None:
    found = chosen(measured, 1, *given)
    *_, steps = keys(found[: len(found) - len(ended)])
    assert (steps, found[len(found) - len(ended) :]) == ("train.steps", ended)
    train = compose(Path("conf"), [*given, *found])["train"]
    assert (train["minutes"], train["bfloat16_steps"]) == (None, None)
    pasted = replaced(given, found)
    assert len(keys(pasted)) == len(set(keys(pasted)))


def test_a_device_that_a_deeper_model_keeps_busier_gets_a_deeper_model(
    measured: list[list[str]],
) -> None:
    def measure(overrides: list[str]) -> Pace:
        measured.append(overrides)
        config = check(compose(Path("conf"), overrides))
        operations = 2048 * operations_per_token(config.model, config.tokenizer.vocab_size)
        return Pace(operations, 2048, operations / (1e12 * config.model.num_layers))

    found = overrides_for(60, [], measure)
    once = layers_for(3600 * 4e12)
    assert found[0] == f"model.num_layers={layers_for(3600 * 1e12 * once)}" != f"{once}"


def test_an_accelerator_computes_a_step_at_once(measured: list[list[str]]) -> None:
    found = chosen(measured, 120, "train.device=cuda")
    assert found[1:3] == ["train.tokens_per_step=4096", "train.micro_batch_tokens=4096"]


def test_a_device_that_larger_steps_keep_busier_gets_a_deeper_model(
    measured: list[list[str]],
) -> None:
    """As a GPU is, which takes as long for 2,048 tokens as for 16,384."""

    def measure(overrides: list[str]) -> Pace:
        config = check(compose(Path("conf"), overrides))
        tokens = config.train.tokens_per_step
        operations = tokens * operations_per_token(config.model, config.tokenizer.vocab_size)
        return Pace(operations, tokens, max(16_384, tokens) / 1e6)

    found = overrides_for(60, ["train.device=cuda"], measure)
    final = measure(["train.device=cuda", *found[:3]])
    layers = int(found[0].removeprefix("model.num_layers="))
    assert abs(layers - layers_for(3600 / final.seconds * final.operations)) <= 1
    assert found[2] == f"train.micro_batch_tokens={final.tokens}"


@pytest.mark.parametrize("there", [True, False])
def test_auto_means_an_accelerator_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: there)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    assert [has_accelerator(device) for device in ("auto", "cuda", "cpu")] == [there, True, False]


def test_time_for_hardly_a_step_is_refused(measured: list[list[str]]) -> None:
    with pytest.raises(UserError, match=r"only \d steps of 2,048 tokens fit into --minutes 0.01"):
        chosen(measured, 0.01, "model=one_hour")


def test_where_nothing_can_be_measured_nothing_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    class Unmeasured:
        training = None

    monkeypatch.chdir(PROJECT)
    monkeypatch.setattr(dial, "predict", lambda overrides, folder: Unmeasured())
    with pytest.raises(UserError, match="training can't be measured here"):
        overrides_for(1, [], partial(pace, folder=Path()))


@pytest.mark.parametrize("text", ["many", "0", "-3", "nan", "inf", "1e300", ""])
def test_minutes_are_a_number_above_zero(text: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(UserError, match="--minutes is"):
        minutes_of(text)
    assert cli.main(["estimate", "--minutes", text]) == 1
    assert f"--minutes is '{text}'" in caplog.text
