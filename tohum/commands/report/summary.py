"""Summarises a run's metrics, compared with their baselines."""

import json
from pathlib import Path
from typing import Any

from tohum.commands.printing import size_of
from tohum.commands.report.figures import bits_per_byte_lines, completion_lines
from tohum.errors import UserError


def summary(root: Path) -> str:
    """Returns the figures as text.

    Raises:
        UserError: the pipeline has not run to its end.
    """
    jsonl, tokenizer, encode, model = (
        read_metrics(root, name) for name in ("jsonl", "tokenizer", "encode", "evaluate")
    )
    corpus = f"{jsonl['documents']:,} documents, {size_of(jsonl['bytes'])}"
    held_out = f"{model['val_documents']:,} held-out documents ({size_of(model['val_bytes'])})"
    lines = (
        "",
        "What was made",
        f"  corpus       {corpus}, from {jsonl['files']:,} verified files",
        f"  tokenizer    {tokenizer['vocab_size']:,} entries, {encode['bytes_per_token']:.3f} "
        "bytes per token",
        f"  model        {model['parameters']:,} parameters, {model['tokens']:,} tokens seen "
        f"({model['epochs']:.2f} epochs)",
        "",
        f"Bits per byte on {held_out}; less is better",
        *bits_per_byte_lines(model),
        *completion_lines(model.get("completion")),
    )
    return "\n".join(lines)


def read_metrics(root: Path, stage: str) -> dict[str, Any]:
    """Returns the metrics of a stage.

    Raises:
        UserError: the stage has not run.
    """
    path = root / "metrics" / f"{stage}.json"
    if not path.is_file():
        raise UserError(f"{path} is missing. Run `dvc repro` first.")
    metrics = json.loads(path.read_text(encoding="utf-8"))
    assert isinstance(metrics, dict)
    return metrics
