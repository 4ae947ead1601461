from typing import Any

import pytest

from stages.compose.checking import check
from stages.compose.composition import compose
from stages.train.display import operations_per_token
from tests.tiny import PROJECT
from tohum.commands.estimate.data_costs import Corpus
from tohum.commands.estimate.training_costs import (
    ENOUGH_TOKENS,
    FEW_TOKENS,
    parameters_of,
    train_cost,
    train_memory,
    training_of,
)
from tohum.model.network import Network

CORPUS = Corpus(
    share=1.0,
    raw=40_000,
    jsonl=42_000,
    text=40_000,
    documents=100,
    shards=1,
    different=900,
    tokens=10_000,
)
RATES: dict[str, Any] = {
    "token_seconds": 1e-4,
    "update_seconds": 0.01,
    "forward_seconds": 1e-5,
    "memory": 500_000_000,
    "token_memory": 1000.0,
    "micro_batch": 1024,
    "checkpoint": 30_000_000,
    "compile_seconds": 30.0,
    "start_seconds": 4.0,
}
SUSTAINED = {"t4_colab": 10e12, "single_gpu": 300e12}  # operations a second, as their comments say


def configured(*overrides: str) -> Any:
    return check(compose(PROJECT / "conf", list(overrides)))


def gpu_tokens_per_parameter(preset: str, vocab_size: int) -> float:
    config = configured(f"model={preset}", f"train={preset}", f"tokenizer.vocab_size={vocab_size}")
    operations = operations_per_token(config.model, vocab_size)
    tokens = 60 * config.train.minutes * SUSTAINED[preset] / operations
    return float(tokens / parameters_of(config))


@pytest.mark.parametrize(("preset", "vocab_size"), [("t4_colab", 8192), ("single_gpu", 32_000)])
def test_the_presets_for_a_gpu_read_ten_to_twenty_tokens_a_parameter(
    preset: str, vocab_size: int
) -> None:
    assert FEW_TOKENS <= gpu_tokens_per_parameter(preset, vocab_size) <= ENOUGH_TOKENS


@pytest.mark.parametrize("preset", ["laptop", "one_hour", "t4_colab", "tiny"])
def test_parameters_are_those_of_the_network(preset: str) -> None:
    config = configured(f"model={preset}")
    network = Network(config.model, config.tokenizer.vocab_size)
    assert parameters_of(config) == sum(weight.numel() for weight in network.parameters())


def test_minutes_give_steps_by_the_measured_seconds_of_a_step() -> None:
    config = configured("train=ten_minutes")
    training = training_of(config, CORPUS, RATES, "bfloat16")
    assert training is not None
    assert training.steps == int(600 / (2048 * 1e-4 + 0.01))
    assert training.tokens == training.steps * 2048
    assert training.epochs == pytest.approx(training.tokens / 9800)


def test_steps_take_what_they_were_measured_to_take() -> None:
    config = configured("train.steps=100", "train.evaluate_every=1000")
    training = training_of(config, CORPUS, RATES, "float32")
    cost = train_cost(config, CORPUS, training, RATES)
    assert cost.seconds == pytest.approx(4 + 100 * (2048 * 1e-4 + 0.01) + 30)
    assert cost.work == 3 * 30_000_000  # two are kept while a third is written


def test_the_steps_are_those_of_the_precision() -> None:
    config = configured()
    for precision, steps in (("float32", 1600), ("bfloat16", 2900)):
        training = training_of(config, CORPUS, RATES, precision)
        assert training is not None and training.steps == steps


def test_without_rates_minutes_do_not_say_what_is_read() -> None:
    config = configured("train=ten_minutes")
    assert training_of(config, CORPUS, None, "float32") is None
    assert train_cost(config, CORPUS, None, None).seconds == 600


def test_memory_grows_with_the_micro_batch_and_the_mapped_tokens() -> None:
    small = configured()
    large = configured("train.tokens_per_step=8192", "train.micro_batch_tokens=8192")
    training = training_of(small, CORPUS, RATES, "float32")
    less, more = (train_memory(config, CORPUS, training, RATES) for config in (small, large))
    assert more - less == (8192 - 2048) * 1000
