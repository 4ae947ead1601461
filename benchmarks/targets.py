"""Reports a benchmark's targets, one line each, and says which contenders take part."""

import importlib.util
from collections.abc import Iterable, Mapping

INSTALL = 'python -m pip install -c constraints.txt -e ".[bench]"'


def report(name: str, value: float | None, relation: str, target: float) -> bool:
    """Prints one target and returns whether it holds.

    Args:
        name: what is measured.
        value: the figure; None if a contender that it needs is not installed, which does not miss
            the target.
        relation: "at least" or "at most".
        target: the limit.
    """
    if value is None:
        print(f"{name}: not measured (target: {relation} {target:g})")
        return True
    holds = value >= target if relation == "at least" else value <= target
    print(f"{name}: {value:.2f} (target: {relation} {target:g}) {'ok' if holds else 'missed'}")
    return holds


def taking_part(contenders: Iterable[str], modules: Mapping[str, str]) -> list[str]:
    """Returns the contenders that can run here, and prints a line for each of the others.

    Args:
        contenders: their names.
        modules: the module that a contender needs, for those that need one.
    """
    names = []
    for name in contenders:
        module = modules.get(name)
        if module is None or importlib.util.find_spec(module):
            names.append(name)
        else:
            print(f"{name} is not installed and left out: {INSTALL}", flush=True)
    return names


def quotient(value: float, other: float | None) -> float | None:
    """Returns value / other; None if the other was not measured."""
    return None if other is None else value / other
