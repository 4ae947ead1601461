"""Reports on a sweep: a table in the terminal and as CSV, a picture, and the next step."""

import csv
from pathlib import Path

from tohum.commands.sweep.picture import draw
from tohum.commands.sweep.plan import DIRECTIONS, Plan
from tohum.commands.sweep.points import Outcome
from tohum.files import atomic_write

MODEL = Path("models/lm")
MEASURES = {"bytes_per_token": "more", "bits_per_byte": "less"}


def report(plan: Plan, outcomes: list[Outcome], folder: Path) -> str:
    """Writes sweep.csv and sweep.svg into the folder and returns the text for the terminal."""
    keys = list(dict.fromkeys(key for outcome in outcomes for key in outcome.swept))
    measures = ["bytes_per_token", *(["bits_per_byte"] if plan.until == "evaluate" else [])]
    outcomes = sorted(
        outcomes, key=lambda outcome: [_order(outcome.swept.get(key, "")) for key in keys]
    )
    best = best_of(plan.until, outcomes)
    _write_csv(folder / "sweep.csv", keys, outcomes)
    written = [folder / "sweep.csv"]
    picture = draw(keys, measures, outcomes)
    if picture is not None:
        written.append(folder / "sweep.svg")
        with atomic_write(written[-1], "w") as file:
            file.write(picture)
    lines = ["", *_table(keys, measures, outcomes, best), ""]
    failed = [outcome for outcome in outcomes if outcome.error]
    lines += [f"FAILED {outcome}: {outcome.error}" for outcome in failed]
    if best is not None:
        measure = measures[-1]
        value = f"{best.objective(plan.until):.3f} {measure.replace('_', ' ')}"
        lines += [
            f"Best: {best}, with {value} ({MEASURES[measure]} is better).",
            f"Apply it with: dvc exp apply {best.name}",
        ]
        if plan.until == "tokenizer" and not (plan.root / MODEL).exists():
            lines.append(
                f"(Nothing has made {MODEL} here yet, so DVC will end with 'Checkout failed' for "
                "the outputs of encode, train and evaluate. The point is applied all the same.)"
            )
    shown = [str(path.relative_to(plan.root)) for path in written]
    return "\n".join([*lines, f"Written: {', '.join(shown)}"])


def best_of(until: str, outcomes: list[Outcome]) -> Outcome | None:
    """Returns the best point that did not fail; the first of equals."""
    sign = 1 if DIRECTIONS[until] == "maximize" else -1
    scores = [
        (sign * value, outcome) for outcome in outcomes if (value := outcome.objective(until))
    ]
    return max(scores, key=lambda score: score[0])[1] if scores else None


def _order(value: str) -> tuple[float, str]:
    """Sorts numbers by size, before words."""
    try:
        return float(value), value
    except ValueError:
        return float("inf"), value


def _write_csv(path: Path, keys: list[str], outcomes: list[Outcome]) -> None:
    figures = ["vocab_size", "bytes_per_token", "bits_per_byte", "seconds", "state", "error"]
    with atomic_write(path, "w") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow([*keys, "entries", *figures[1:], "experiment"])
        for outcome in outcomes:
            swept = [outcome.swept.get(key, "") for key in keys]
            rows.writerow([*swept, *(getattr(outcome, name) for name in figures), outcome.name])


def _table(
    keys: list[str], measures: list[str], outcomes: list[Outcome], best: Outcome | None
) -> list[str]:
    head = [*(key.rpartition(".")[2] for key in keys), "entries"]
    head += [*(measure.replace("_", " ") for measure in measures), "seconds", "experiment"]
    rows = [head]
    for outcome in outcomes:
        numbers = [getattr(outcome, measure) for measure in measures]
        rows.append(
            [
                *(outcome.swept.get(key, "") for key in keys),
                "" if outcome.vocab_size is None else str(outcome.vocab_size),
                *("-" if number is None else f"{number:.3f}" for number in numbers),
                "before" if outcome.state == "found" else f"{outcome.seconds:.1f}",
                "FAILED" if outcome.error else outcome.name + (" *" if outcome is best else ""),
            ]
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(head) - 1)]
    return [
        "  ".join([*(cell.rjust(width) for cell, width in zip(row, widths, strict=False)), row[-1]])
        for row in rows
    ]
