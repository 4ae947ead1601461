"""The figures of metrics/evaluate.json beside their baselines, and where the model is behind."""

from typing import Any

from tohum.commands.printing import size_of
from tohum.translation import translated, translated_label

NEED_NO_TEXT = ("gzip -9", "xz -9e")  # the other baselines have read the training text
WIDTH = 14
MEASURES = {
    "line_exact": "next line right",
    "line_similarity": "  edit similarity",
    "middle_exact": "line between others right",
    "middle_similarity": "  edit similarity",
    "identifier": "identifier right",
    "keystrokes_saved": "keystrokes saved",
}
SUGGESTERS = {
    "model": "this model",
    "n-gram": "n-gram of the training text",
    "copy": "copy of the nearest earlier line that begins the same",
    "model+copy": "this model with copies mixed in, as an editor gets it",
}
BASELINES = ("n-gram", "copy")


def bits_per_byte_lines(model: dict[str, Any]) -> list[str]:
    """Returns the model and the baselines as lines, and those that the model does not beat."""
    own, others = model["bits_per_byte"], model["baselines"]
    read = size_of(model.get("baseline_bytes", 0))
    said = {
        name: "each document compressed alone"
        if name in NEED_NO_TEXT
        else f"after {read} of the training text"
        for name in others
    }
    lines = [f"  {translated_label('this model'):<{WIDTH}} {own:.3f}"]
    lines += [
        f"  {name:<{WIDTH}} {value:.3f}   {translated(said[name])}"
        for name, value in others.items()
    ]
    better = [name for name, value in others.items() if value <= own]
    if better:
        lines.append(f"  The model does not beat {' and '.join(better)}.")
    return lines


def completion_lines(completion: dict[str, Any] | None) -> list[str]:
    """Returns the table of completion as lines, and where the model does not beat both baselines;
    none where completion was not measured.
    """
    if not completion:
        return []
    names = [name for name in SUGGESTERS if name in completion]
    lines = [
        "",
        f"Completion on {completion['places']:,} held-out lines with "
        f"{completion['identifiers']:,} identifiers; more is better",
        "  " + " " * 26 + "".join(f"{name:>11}" for name in names),
    ]
    for key, label in MEASURES.items():
        if key in completion["model"]:
            values = (completion[name].get(key) for name in names)
            lines.append(f"  {translated_label(label):<26}" + "".join(map(_percent, values)))
    lines += [f"  {name}: {SUGGESTERS[name]}" for name in names[1:]]
    beaten = " and ".join(name for name in names if name in BASELINES)
    if behind := _behind(completion, "model"):
        lines.append(f"  The model does not beat {beaten} in: {behind}.")
    else:
        lines.append(f"  The model beats {beaten} in every measure.")
    if "model+copy" in completion:
        if behind := _behind(completion, "model+copy"):
            lines.append(f"  With copies it does not beat {beaten} in: {behind}.")
        else:
            lines.append(f"  With copies it beats {beaten} in every measure.")
    return lines


def _behind(completion: dict[str, Any], name: str) -> str:
    labels = _whole_labels()
    return ", ".join(labels[key] for key in behind_measures(completion, name))


def behind_measures(completion: dict[str, Any], name: str = "model") -> list[str]:
    """Returns the measures, by key, in which the model does not beat both baselines.

    Args:
        completion: the figures of each suggester.
        name: of the figures that are the model's: its own, or those with copies.
    """
    return [key for key in MEASURES if completion and _is_behind(completion, key, name)]


def _whole_labels() -> dict[str, str]:
    """Returns the measures' labels, each with what it is about."""
    subject, labels = "", {}
    for key, label in MEASURES.items():
        subject = subject if label.startswith(" ") else label.removesuffix(" right")
        labels[key] = f"{subject} ({label.strip()})" if label.startswith(" ") else label
    return labels


def _is_behind(completion: dict[str, Any], key: str, model: str) -> bool:
    """Whether a baseline is as good as the model, or better; a baseline that can't use the text
    after a line is compared by what it does without.
    """
    own = completion[model].get(key)
    without = key.replace("middle", "line")
    others = (
        completion[name].get(key, completion[name][without])
        for name in BASELINES
        if name in completion
    )
    return own is not None and any(value >= own for value in others)


def _percent(value: float | None) -> str:
    return f"{'-' if value is None else f'{value:.1%}':>11}"
