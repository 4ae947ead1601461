"""The estimate as a table for a terminal."""

from tohum.commands.estimate.prediction import Prediction
from tohum.commands.estimate.sample_runs import BUSY
from tohum.commands.printing import aligned, size_of
from tohum.translation import translated, translated_label

HEAD = ("stage", "time", "memory", "disk", "in .work", "requests", "decided by")
NUMBERS = (1, 2, 3, 4, 5)
MINUTE, HOUR = 60, 3600


def duration(seconds: float | None) -> str:
    """Returns a time in readable form: 12 s, 3.5 min, 2.1 h."""
    if seconds is None:
        return "?"
    if seconds < 2 * MINUTE:
        return f"{seconds:.0f} {translated_label('s')}"
    if seconds < 2 * HOUR:
        return f"{seconds / MINUTE:.0f} {translated_label('min')}"
    return f"{seconds / HOUR:.1f} {translated_label('h')}"


def table(prediction: Prediction, width: int) -> list[str]:
    """Returns the lines."""
    size = prediction.size
    lines = [
        f"source: {size.files:,} files, {size_of(size.bytes)}"
        + (f", {size.rows:,} rows" if size.rows is not None else ""),
        f"corpus: {prediction.corpus.documents:,} documents, {size_of(prediction.corpus.text)} of "
        f"text, {prediction.corpus.tokens:,} tokens; measured on "
        f"{size_of(prediction.corpus.text * prediction.corpus.share)} of it",
        "",
    ]
    rows = [tuple(map(translated_label, HEAD))]
    for cost in prediction.costs:
        rows.append(
            (
                cost.stage,
                duration(cost.seconds),
                translated(size_of(cost.memory)) if cost.memory else "?",
                translated(size_of(cost.output)),
                translated(size_of(cost.work)) if cost.work else "",
                f"{cost.requests:,}" if cost.requests else "",
                translated(cost.decided_by),
            )
        )
    most = max(cost.memory for cost in prediction.costs)
    rows.append(
        (
            translated_label("all"),
            duration(prediction.seconds),
            size_of(most),
            size_of(prediction.outputs),
            "",
            f"{size.requests:,}" if size.requests else "",
            translated(f"disk at most {size_of(prediction.disk)}"),
        )
    )
    lines += aligned(rows, width, NUMBERS)
    cache = "hard links, no disk of its own" if prediction.linked else size_of(prediction.cache)
    lines += [
        "",
        f"here: {size_of(prediction.free)} of disk free, {size_of(prediction.memory)} of memory, "
        f"{prediction.cores} cores; DVC's cache: {cache}",
    ]
    for cost in prediction.costs:
        lines += [f"{cost.stage}: {note}" for note in cost.notes]
    for cost in prediction.costs:
        lines += [f"{cost.stage}: NOT HERE: {problem}" for problem in cost.problems]
    if prediction.load >= BUSY:
        lines.append(
            f"other programs had the processor ({prediction.load:.1f} for each core) when speeds "
            "were measured: it will be faster alone. They are measured again once it is idle."
        )
    if prediction.fits:
        lines.append("this machine has what it takes.")
    return lines
