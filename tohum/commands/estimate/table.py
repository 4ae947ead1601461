"""Prints an estimate: a table of the stages, then what is lacking."""

from dataclasses import asdict
from typing import Any

from tohum.commands.estimate.total import Estimate
from tohum.commands.printing import aligned, counted, size_of

WIDTH = 160
MINUTE, HOUR, DAY = 60, 3600, 86_400


def as_lines(found: Estimate) -> list[str]:
    """Returns the estimate as lines of text."""
    material, machine = found.material, found.machine
    rows = [("stage", "time", "memory", "disk", "unfinished", "decided by")]
    rows += [
        (
            cost.stage,
            duration(cost.seconds),
            size_of(cost.memory),
            size_of(cost.disk),
            size_of(cost.work),
            cost.why,
        )
        for cost in found.costs
    ]
    most = max(cost.memory for cost in found.costs)
    rows.append(("in all", duration(found.seconds), size_of(most), size_of(found.disk), "", ""))
    has = f"{size_of(machine.memory)} of memory and {size_of(machine.disk)} of disk"
    return [
        f"{size_of(material.text_bytes)} of text in {counted(material.documents, 'document')} "
        f"(from {material.basis})",
        *_network(found),
        "",
        *aligned(rows, WIDTH, numbers=(1, 2, 3, 4)),
        "",
        *found.remarks,
        *(found.lacking or [f"This machine has {has} free: enough."]),
    ]


def _network(found: Estimate) -> list[str]:
    material = found.material
    if not material.requests:
        return []
    return [
        f"{size_of(material.network_bytes)} to fetch in {counted(material.requests, 'request')}"
    ]


def as_json(found: Estimate) -> dict[str, Any]:
    """Returns the estimate as JSON's types; sizes are in bytes."""
    return {
        "material": asdict(found.material),
        "stages": {cost.stage: asdict(cost) for cost in found.costs},
        "training": asdict(found.training),
        "machine": asdict(found.machine),
        "seconds": found.seconds,
        "disk": found.disk,
        "lacking": found.lacking,
        "remarks": found.remarks,
    }


def duration(seconds: float) -> str:
    """Returns a time in the unit that suits it: 40 s, 12 min, 3.5 h, 2.1 days."""
    if seconds < 1.5 * MINUTE:
        return f"{max(1, seconds):.0f} s"
    if seconds < 1.5 * HOUR:
        return f"{seconds / MINUTE:.0f} min"
    return f"{seconds / HOUR:.1f} h" if seconds < 2 * DAY else f"{seconds / DAY:.1f} days"
