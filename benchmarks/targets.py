"""How a benchmark tells a target: one line each, and whether it holds."""


def told(name: str, value: float, relation: str, target: float) -> bool:
    """Prints one target, `relation` being "at least" or "at most", and returns whether it holds."""
    holds = value >= target if relation == "at least" else value <= target
    print(f"{name}: {value:.2f} (target: {relation} {target:g}) {'ok' if holds else 'missed'}")
    return holds
