"""The figures of a run, from its metrics, beside those of general-purpose compressors."""

import json
from pathlib import Path
from typing import Any

from tohum.commands.report.baselines import gzip_bits_per_byte, xz_bits_per_byte
from tohum.errors import UserError
from tohum.formats.tokenizer import load_tokenizer
from tohum.formats.tokens import read_split


def summary(root: Path) -> str:
    """Returns the figures as text.

    Raises:
        UserError: the pipeline has not run to its end.
    """
    jsonl, tokenizer, encode, model = (
        read_metrics(root, name) for name in ("jsonl", "tokenizer", "encode", "evaluate")
    )
    documents = validation_documents(root)
    corpus = f"{jsonl['documents']:,} documents, {jsonl['bytes'] / 1e6:.1f} MB"
    held_out = f"{model['val_documents']:,} held-out documents ({model['val_bytes'] / 1e6:.2f} MB)"
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
        f"  this model   {model['bits_per_byte']:.3f}",
        f"  gzip -9      {gzip_bits_per_byte(documents):.3f}   each document compressed alone",
        f"  xz -9e       {xz_bits_per_byte(documents):.3f}   each document compressed alone",
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


def validation_documents(root: Path) -> list[bytes]:
    """Returns the text of the validation documents, of a conversation that of its messages, one
    after another: the bytes by which the model's bits are divided. The encode stage has proved that
    the tokens give it back.

    Raises:
        UserError: there are no token files.
    """
    split = read_split(root / "data" / "tokens", "val")
    tokenizer = load_tokenizer(root / "models" / "tokenizer")
    ids = [split.document(number).tolist() for number in range(len(split.offsets) - 1)]
    return [text.encode() for text in tokenizer.decode_batch(ids, skip_special_tokens=True)]
