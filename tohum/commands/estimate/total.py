"""The whole estimate: what comes in, the cost of each stage, and what this machine lacks."""

from dataclasses import dataclass

from stages.train.config import Train
from tohum.commands.estimate.costs import Cost, Training, data_costs, model_costs, training_of
from tohum.commands.estimate.machine import Machine, this_machine
from tohum.commands.estimate.material import Material, find_material, scaled
from tohum.commands.estimate.measurements import Measurements, measured
from tohum.commands.estimate.request import Request
from tohum.commands.printing import size_of
from tohum.config.sections import read_section

LIKE_SAMPLE = "the size given, of code like the packages'"
MANY_TOKENS = 100  # for a parameter: a larger model would use the time better
REMEDIES = {
    "download": "source.max_rows or source.max_bytes",
    "jsonl": "runtime workers (conf/runtime.yaml)",
    "pretokens": "pretokenizer.sample_share or pretokenizer.max_memory",
    "tokenizer": "pretokenizer.sample_share",
    "encode": "runtime workers (conf/runtime.yaml)",
    "train": "train.micro_batch_tokens, or a smaller model=",
    "evaluate": "evaluate.baseline_bytes",
}


@dataclass(frozen=True)
class Estimate:
    """What a configuration will take on this machine. `disk` is the peak in bytes, with unfinished
    work; `lacking` and `remarks` are sentences.
    """

    material: Material
    costs: list[Cost]
    training: Training
    machine: Machine
    disk: int
    lacking: list[str]
    remarks: list[str]

    @property
    def seconds(self) -> float:
        """The seconds of all stages together."""
        return sum(cost.seconds for cost in self.costs)


def estimate(request: Request, again: bool = False) -> Estimate:
    """Returns what the configuration will take.

    Raises:
        UserError: the source can't be found, or a stage fails on the sample.
    """
    measures = measured(request, again)
    return estimated(request, _material(request, measures), measures, this_machine())


def estimated(
    request: Request, material: Material, measures: Measurements, machine: Machine
) -> Estimate:
    """Returns what it will take to make a model of the material, from what was measured."""
    values = request.values
    config = read_section("train", Train, values["train"])
    share = values["encode"]["validation_share"]
    counted = values["pretokenizer"]["sample_share"]
    training = training_of(config, measures, material.text_bytes, share)
    costs = [
        *data_costs(material, measures, request.bandwidth, counted),
        *model_costs(
            config,
            training,
            measures,
            material.text_bytes,
            share,
            values["evaluate"]["baseline_bytes"],
        ),
    ]
    disk = peak_disk(costs)
    return Estimate(
        material,
        costs,
        training,
        machine,
        disk,
        _lacking(costs, disk, machine),
        _remarks(training),
    )


def peak_disk(costs: list[Cost]) -> int:
    """Returns the bytes on the disk when they are most: the outputs so far, and unfinished work."""
    peak = kept = 0
    for cost in costs:
        peak = max(peak, kept + max(cost.work, cost.disk))
        kept += cost.disk
    return peak


def _material(request: Request, measures: Measurements) -> Material:
    if request.text is None:
        return find_material(request.values["source"])
    large = measures.large
    like = Material(large.stages["download"].out, large.text, large.documents, LIKE_SAMPLE)
    return scaled(like, request.text)


def _lacking(costs: list[Cost], disk: int, machine: Machine) -> list[str]:
    found = [
        f"{cost.stage} needs {size_of(cost.memory)} of memory, and {size_of(machine.memory)} are "
        f"available: change {REMEDIES[cost.stage]}, or close other programs."
        for cost in costs
        if cost.memory > machine.memory
    ]
    if disk > machine.disk:
        largest = max(costs, key=lambda cost: cost.disk + cost.work)
        found.append(
            f"the disk needs {size_of(disk)}, and {size_of(machine.disk)} are free: free some "
            f"space, or take less data ({REMEDIES['download']}); {largest.stage} needs most."
        )
    return found


def _remarks(training: Training) -> list[str]:
    remarks = [
        f"train will read {training.tokens / 1e6:,.0f} million tokens, {training.share:.0%} of the "
        f"training text and {training.tokens_per_parameter:,.0f} for each parameter."
    ]
    if training.tokens_per_parameter > MANY_TOKENS:
        remarks.append(
            "In this time a larger model would become better: the usual rule is 10 to 20 tokens "
            "for each parameter."
        )
    if training.share > 4:  # https://arxiv.org/abs/2305.16264
        remarks.append(
            "It reads the same text more than four times: from there on, more steps hardly help. "
            "Add data, or take fewer steps."
        )
    return remarks
