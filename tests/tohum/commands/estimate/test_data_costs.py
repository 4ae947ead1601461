import math
from typing import Any

import pytest

from stages.compose.checking import check
from tests.tiny import configuration, runtime
from tohum.commands.estimate.data_costs import (
    ENCODER_MEMORY,
    GROUP_ROWS,
    LEAST,
    WORKER_SECONDS,
    corpus_of,
    data_costs,
    heaps_exponent,
    judging_part,
    parallel,
)
from tohum.commands.estimate.measurement import Measured
from tohum.commands.estimate.sample_runs import DATA_STAGES, SampleRun, Samples, WideRun

MEGABYTE = 1_000_000
WIDE_STAGES = ("download", "jsonl", "pretokens")


def sample_run(share: float, megabytes: int, different: int, **seconds: float) -> SampleRun:
    """A sample of a corpus whose stages take a second, and what is given for each megabyte."""
    size = megabytes * MEGABYTE
    stages = {
        stage: Measured(9.0, 1 + megabytes * seconds.get(stage, 0.0), 200 * MEGABYTE, 1)
        for stage in DATA_STAGES
    }
    return SampleRun(
        share,
        stages,
        raw=size,
        jsonl=size,
        pretokens=different * 20,
        tokenizer=1000,
        tokens=size // 2,
        text=size,
        documents=megabytes,
        different=different,
        encoded=size // 4,
        reached=400,
    )


def samples(share: float = 0.01, **seconds: float) -> Samples:
    """Samples of 10 and 40 MB whose different pretokens double with four times the text."""
    small = sample_run(share / 4, 10, 50_000, **seconds)
    return Samples(small, sample_run(share, 40, 100_000, **seconds))


def costs_of(found: Samples, *overrides: str, workers: int = 1) -> dict[str, Any]:
    config = check(configuration("jsonl.shard_bytes=16000000", *overrides))
    costs = data_costs(found, config, runtime(workers), cores=workers, requests=0)
    return {cost.stage: cost for cost in costs}


def test_bytes_grow_with_the_source() -> None:
    costs = costs_of(samples())
    assert costs["download"].output == 4000 * MEGABYTE
    assert costs["jsonl"].output == 4000 * MEGABYTE
    assert costs["encode"].output == costs["encode"].work == 2000 * MEGABYTE


def test_different_pretokens_grow_with_the_power_of_the_samples() -> None:
    found = samples()
    assert heaps_exponent(found.small, found.large) == pytest.approx(0.5)
    corpus = corpus_of(found, check(configuration()))
    assert corpus.different == pytest.approx(100_000 * math.sqrt(100), rel=0.001)


def test_a_sample_that_is_everything_is_not_extrapolated() -> None:
    whole = sample_run(1.0, 40, 100_000, encode=0.1)
    costs = costs_of(Samples(whole, whole))
    for stage in DATA_STAGES:
        assert costs[stage].seconds == pytest.approx(whole.stages[stage].processor), stage
        assert costs[stage].memory == 200 * MEGABYTE


def test_seconds_grow_with_what_the_samples_took_for_each_byte() -> None:
    costs = costs_of(samples(encode=0.02, pretokens=0.01))
    assert costs["encode"].seconds == pytest.approx(1 + 4000 * 0.02)
    assert costs["pretokens"].seconds == pytest.approx(1 + 4000 * 0.01)


def test_workers_divide_the_seconds_of_what_they_share() -> None:
    one, two = (costs_of(samples(encode=0.02), workers=count)["encode"] for count in (1, 2))
    spent = one.seconds - 1 + 2 * WORKER_SECONDS
    assert two.seconds - 1 == pytest.approx(spent / parallel(2, 2))
    assert two.memory == one.memory + ENCODER_MEMORY


def test_the_wide_sample_decides_the_seconds_of_jsonl() -> None:
    found = samples(jsonl=0.5)
    taken = found.large.stages["jsonl"].processor
    stages = {name: Measured(9.0, taken + 160 * 0.01, 1, 1) for name in WIDE_STAGES}
    found.wide = WideRun(200 * MEGABYTE, 200 * MEGABYTE, 200_000, stages)
    seconds = costs_of(found)["jsonl"].seconds
    assert seconds == pytest.approx(6 - 10 * 0.01 + 4000 * 0.01)


def test_a_wide_sample_that_took_no_longer_is_not_believed() -> None:
    found = samples(jsonl=0.5)
    stages = {name: found.large.stages[name] for name in WIDE_STAGES}
    found.wide = WideRun(200 * MEGABYTE, 200 * MEGABYTE, 200_000, stages)
    costs = costs_of(found)
    assert costs["jsonl"].seconds > 4000 * MEGABYTE * LEAST["jsonl"]
    assert costs["download"].seconds > 4000 * MEGABYTE * LEAST["download"]


def test_the_wide_sample_decides_what_the_workers_of_jsonl_share() -> None:
    found = samples(jsonl=0.5)
    taken = found.large.stages["jsonl"]
    taken.turned = taken.processor
    assert judging_part(found) == 1, "the start of the workers hides the rest"
    stages = {**found.large.stages, "jsonl": Measured(9.0, taken.processor + 10, 1, 3)}
    found.wide = WideRun(200 * MEGABYTE, 200 * MEGABYTE, 200_000, stages)
    stages["jsonl"].turned = taken.processor + 6
    assert judging_part(found) == pytest.approx(0.6)


def test_the_wide_sample_decides_the_seconds_of_pretokens() -> None:
    found = samples(pretokens=0.5)
    first = found.small.stages["pretokens"].processor
    stages = {name: Measured(9.0, first + 190 * 0.01, 1, 1) for name in WIDE_STAGES}
    found.wide = WideRun(200 * MEGABYTE, 200 * MEGABYTE, 200_000, stages)
    assert costs_of(found)["pretokens"].seconds == pytest.approx(first + 3990 * 0.01)


def test_memory_of_counting_stops_at_its_limit() -> None:
    limited = costs_of(samples(), "pretokenizer.max_memory=1MB")["pretokens"]
    assert limited.memory == 201 * MEGABYTE
    rows = GROUP_ROWS - 100_000  # more are never held at once
    found = samples(share=0.0001)
    assert costs_of(found)["pretokens"].memory == pytest.approx(200 * MEGABYTE + 116 * rows)


def test_the_wide_sample_decides_how_the_different_pretokens_grow() -> None:
    found = samples()  # 40 MB have 100,000
    found.wide = WideRun(160 * MEGABYTE, 160 * MEGABYTE, 400_000, {})
    corpus = corpus_of(found, check(configuration()))
    assert corpus.different == pytest.approx(400_000 * 4000 / 160, rel=0.001)
