"""The arithmetic of an estimate."""

from dataclasses import replace
from typing import Any

import pytest

from stages.compose.composition import compose
from stages.train.config import Train
from tests.tiny import PROJECT
from tohum.commands.estimate.costs import (
    Cost,
    data_costs,
    heaps_exponent,
    line,
    model_costs,
    pretokens_in,
    training_of,
)
from tohum.commands.estimate.machine import Machine
from tohum.commands.estimate.material import Material
from tohum.commands.estimate.measurements import STAGES, Measurements, StageRun, Steps, TrialRun
from tohum.commands.estimate.request import Request
from tohum.commands.estimate.table import as_json, as_lines, duration
from tohum.commands.estimate.total import Estimate, estimated, peak_disk
from tohum.config.sections import read_section

SMALL = TrialRun(
    10_000_000, 1000, 4_000_000, 2_000_000, 50_000,
    dict.fromkeys(STAGES, StageRun(2.0, 100_000_000, 10_000_000, 5_000_000)),
)  # fmt: skip
LARGE = TrialRun(
    40_000_000, 4000, 16_000_000, 8_000_000, 125_000,
    dict.fromkeys(STAGES, StageRun(5.0, 200_000_000, 40_000_000, 20_000_000)),
)  # fmt: skip
STEPS = Steps(1e-4, 0.05, 2_000_000, 500_000_000, 300_000_000, 1.0, "float32")
MEASURED = Measurements(SMALL, LARGE, STEPS)
TEXT = Material(45_000_000, 40_000_000, 4000, "a test")
ROOMY = Machine(10**12, 10**15, 2)


def values(*overrides: str) -> dict[str, Any]:
    return compose(PROJECT / "conf", list(overrides))


def training_section(*overrides: str) -> Train:
    return read_section("train", Train, values(*overrides)["train"])


def of(*overrides: str, material: Material = TEXT, machine: Machine = ROOMY) -> Estimate:
    return estimated(Request(values(*overrides), (), None, 1e6), material, MEASURED, machine)


def test_a_line_goes_through_both_points_and_never_falls() -> None:
    assert line((10, 2.0), (40, 5.0), 100) == pytest.approx(11.0)
    assert line((10, 2.0), (40, 5.0), 10) == pytest.approx(2.0)
    assert line((10, 5.0), (40, 4.0), 400) > 4.0
    assert line((10, 2.0), (40, 5.0), 0) >= 0


def test_pretokens_grow_as_between_the_samples() -> None:
    assert pretokens_in(SMALL.text, MEASURED) == pytest.approx(SMALL.different, rel=0.01)
    assert pretokens_in(LARGE.text, MEASURED) == LARGE.different
    steep = replace(LARGE, different=10**7)
    assert heaps_exponent(SMALL, steep) == 0.85


def test_ten_times_the_text_takes_ten_times_the_disk_and_hardly_more_memory() -> None:
    small = {cost.stage: cost for cost in data_costs(TEXT, MEASURED, 1e6, 1.0)}
    more = Material(450_000_000, 400_000_000, 40_000, "a test")
    large = {cost.stage: cost for cost in data_costs(more, MEASURED, 1e6, 1.0)}
    for stage in ("download", "jsonl", "encode"):
        assert large[stage].disk == pytest.approx(10 * small[stage].disk)
    assert large["jsonl"].memory < 1.3 * small["jsonl"].memory
    assert small["tokenizer"].memory < large["tokenizer"].memory
    assert large["tokenizer"].memory < 2 * small["tokenizer"].memory


def test_the_network_or_the_number_of_files_decides_a_download() -> None:
    slow = replace(TEXT, network_bytes=100_000_000, requests=1000)
    assert data_costs(slow, MEASURED, 1e6, 1.0)[0].seconds > 100
    many = replace(TEXT, network_bytes=1, requests=3_000_000)
    cost = data_costs(many, MEASURED, 1e6, 1.0)[0]
    assert cost.seconds > 1000
    assert cost.why == "the number of files to fetch"
    assert data_costs(TEXT, MEASURED, 1e6, 1.0)[0].why == "reading, hashing and copying"


def test_training_takes_its_steps_or_its_minutes() -> None:
    config = training_section("train.steps=100", "train.tokens_per_step=2048")
    training = training_of(config, MEASURED, TEXT.text_bytes, 0.0)
    assert training.tokens == 204_800
    assert training.share == pytest.approx(204_800 / 16_000_000)
    assert training.tokens_per_parameter == pytest.approx(0.1024)
    train, _ = model_costs(config, training, MEASURED, TEXT.text_bytes, 0.02, 0)
    assert train.seconds == pytest.approx(2 + 100 * (2048 * 1e-4 + 0.05))
    timed = training_section("train.steps=null", "train.bfloat16_steps=null", "train.minutes=7")
    training = training_of(timed, MEASURED, TEXT.text_bytes, 0.0)
    train, _ = model_costs(timed, training, MEASURED, TEXT.text_bytes, 0.02, 0)
    assert train.seconds == pytest.approx(2 + 7 * 60)
    assert training.steps == round(7 * 60 / (2048 * 1e-4 + 0.05))


def test_a_part_of_the_micro_batch_tells_the_memory_of_the_whole() -> None:
    config = training_section()
    half = replace(MEASURED, steps=replace(STEPS, share=0.5))
    training = training_of(config, half, TEXT.text_bytes, 0.02)
    train, _ = model_costs(config, training, half, TEXT.text_bytes, 0.02, 0)
    assert train.memory == 300_000_000 + 2 * 200_000_000


def test_unfinished_work_counts_where_it_is_largest() -> None:
    costs = [Cost("a", 1, 1, 10, 50, ""), Cost("b", 1, 1, 20, 30, ""), Cost("c", 1, 1, 5, 0, "")]
    assert peak_disk(costs) == 50
    assert peak_disk(costs[1:]) == 30
    assert peak_disk([*costs, Cost("d", 1, 1, 1, 40, "")]) == 10 + 20 + 5 + 40


def test_what_this_machine_lacks_is_named_with_what_to_change() -> None:
    assert not of().lacking
    short = of(machine=Machine(450_000_000, 10**15, 2)).lacking
    assert [line.split()[0] for line in short] == ["train", "evaluate"]
    assert "train.micro_batch_tokens" in short[0]
    full = of(machine=Machine(10**12, 1000, 2)).lacking
    assert len(full) == 1
    assert full[0].startswith("the disk needs")


def test_the_share_of_the_text_and_the_tokens_for_a_parameter_are_told() -> None:
    found = of("train.steps=100")
    assert found.remarks[0].startswith("train will read 0 million tokens, 1% of the training text")
    again = of("train.steps=200000")
    assert any("more than four times" in line for line in again.remarks)
    assert any("a larger model would become better" in line for line in again.remarks)


def test_the_table_and_the_json_have_every_stage() -> None:
    found = of()
    text, data = "\n".join(as_lines(found)), as_json(found)
    for stage in (*STAGES, "train", "evaluate"):
        assert f"\n  {stage} " in text
        assert data["stages"][stage]["seconds"] >= 0
    assert data["seconds"] == pytest.approx(found.seconds)
    assert "enough" in text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (89, "89 s"), (600, "10 min"), (3 * 3600, "3.0 h"), (200 * 3600, "8.3 days")],
)
def test_a_time_has_the_unit_that_suits_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text
