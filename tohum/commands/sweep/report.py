"""Reports on a sweep: a table in the terminal and as CSV, a picture, and the next step."""

import csv
from pathlib import Path

from tohum.commands.sweep.picture import draw
from tohum.commands.sweep.plan import COMPLETION, DIRECTIONS, Plan
from tohum.commands.sweep.points import Outcome
from tohum.files import atomic_write
from tohum.translation import translated_label

MODEL = Path("models/lm")
NEARLY = 1.05  # a ratio that rounding to whole steps may leave
BETTER = {"maximize": "more", "minimize": "less"}


def report(plan: Plan, outcomes: list[Outcome], folder: Path) -> str:
    """Writes sweep.csv and sweep.svg into the folder and returns the text for the terminal."""
    keys = list(dict.fromkeys(key for outcome in outcomes for key in outcome.swept))
    trained = ["bits_per_byte", plan.measure] if plan.until == "evaluate" else []
    measures = list(dict.fromkeys(["bytes_per_token", *trained]))
    outcomes = sorted(
        outcomes, key=lambda outcome: [_order(outcome.swept.get(key, "")) for key in keys]
    )
    best = best_of(plan.measure, outcomes)
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
        value = f"{best.value(plan.measure):.3f} {plan.measure.replace('_', ' ')}"
        lines += [
            f"Best: {best}, with {value} ({BETTER[DIRECTIONS[plan.measure]]} is better).",
            f"Apply it with: dvc exp apply {best.name}",
        ]
        if plan.until == "tokenizer" and not (plan.root / MODEL).exists():
            lines.append(
                f"(Nothing has made {MODEL} here yet, so DVC will end with 'Checkout failed' for "
                "the outputs of encode, train and evaluate. The point is applied all the same.)"
            )
    lines += _unequal(plan, outcomes)
    shown = [str(path.relative_to(plan.root)) for path in written]
    return "\n".join([*lines, f"Written: {', '.join(shown)}"])


def best_of(measure: str, outcomes: list[Outcome]) -> Outcome | None:
    """Returns the best point that did not fail; the first of equals."""
    sign = 1 if DIRECTIONS[measure] == "maximize" else -1
    scores = [
        (sign * value, outcome)
        for outcome in outcomes
        if (value := outcome.value(measure)) is not None
    ]
    return max(scores, key=lambda score: score[0])[1] if scores else None


def _order(value: str) -> tuple[float, str]:
    """Sorts numbers by size, before words."""
    try:
        return float(value), value
    except ValueError:
        return float("inf"), value


def _shown(number: float | None, form: str) -> str:
    return "-" if number is None else format(number, form)


def _megabytes(outcome: Outcome) -> str:
    return "-" if outcome.text_bytes is None else f"{outcome.text_bytes / 1e6:.2f}"


def _unequal(plan: Plan, outcomes: list[Outcome]) -> list[str]:
    """Says how to compare points that took equal steps over unequal amounts of text."""
    read = [outcome.text_bytes for outcome in outcomes if outcome.text_bytes]
    if plan.bytes or not read or max(read) <= NEARLY * min(read):
        return []
    return [
        f"(The points read {min(read) / 1e6:.2f} to {max(read) / 1e6:.2f} MB of text. To compare "
        f"them at equal bytes: sweep.bytes={max(read)}; at equal time: sweep.minutes=<minutes>.)"
    ]


def _write_csv(path: Path, keys: list[str], outcomes: list[Outcome]) -> None:
    figures = ["vocab_size", "bytes_per_token", "bits_per_byte", "seconds", "state", "error"]
    figures += ["steps", "tokens", "text_bytes", "deviation"]
    completion = [name for name in COMPLETION if any(name in each.completion for each in outcomes)]
    with atomic_write(path, "w") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(
            [*keys, "entries", *figures[1:], "seeds", "by_seed", *completion, "experiment"]
        )
        for outcome in outcomes:
            swept = [outcome.swept.get(key, "") for key in keys]
            seeds = [len(outcome.by_seed), " ".join(f"{value:.6f}" for value in outcome.by_seed)]
            measured = [getattr(outcome, name) for name in figures]
            completed = [outcome.completion.get(name) for name in completion]
            rows.writerow([*swept, *measured, *seeds, *completed, outcome.name])


def _table(
    keys: list[str], measures: list[str], outcomes: list[Outcome], best: Outcome | None
) -> list[str]:
    head = [*(key.rpartition(".")[2] for key in keys), "entries"]
    head += [measure.replace("_", " ") for measure in measures]
    trained, several = "bits_per_byte" in measures, any(len(each.by_seed) > 1 for each in outcomes)
    head += [*(["± over", "seeds"] if several else []), *(["steps", "MB read"] if trained else [])]
    head += ["seconds", "experiment"]
    rows = [[translated_label(name) for name in head]]
    for outcome in outcomes:
        numbers = [outcome.value(measure) for measure in measures]
        rows.append(
            [
                *(outcome.swept.get(key, "") for key in keys),
                "" if outcome.vocab_size is None else str(outcome.vocab_size),
                *(_shown(number, ".3f") for number in numbers),
                *([_shown(outcome.deviation, ".3f"), str(len(outcome.by_seed))] if several else []),
                *([_shown(outcome.steps, ","), _megabytes(outcome)] if trained else []),
                translated_label("before")
                if outcome.state == "found"
                else f"{outcome.seconds:.1f}",
                translated_label("FAILED")
                if outcome.error
                else outcome.name + (" *" if outcome is best else ""),
            ]
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(head) - 1)]
    return [
        "  ".join([*(cell.rjust(width) for cell, width in zip(row, widths, strict=False)), row[-1]])
        for row in rows
    ]
