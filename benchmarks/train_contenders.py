"""The contenders in benchmarks/train.py: same documents and minutes, a transformers model each.

To add your own, give a command (`--peer`): it reads the training documents from a JSONL file, one
{"content": ...} per line, and writes a causal model and its tokenizer with `save_pretrained`.
"""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.projects import run_stage, write_values
from stages.train.probe import processor_precision

CONTEXT = 256
BATCH_WINDOWS = 8
FEW_STEPS, MORE_STEPS = 5, 25  # what more of them take is the time of steps alone
SPECIAL = "<|endoftext|>"


def train_this_project(documents: Path, root: Path, minutes: float, overrides: list[str]) -> Path:
    """Runs the stages from pretokens on, as `dvc repro` does, in a new project whose corpus is the
    training documents; returns the model's folder.

    Args:
        documents: a JSONL file. Reading it is not part of the minutes.
        root: of the new project.
        minutes: for the stages.
        overrides: of the configuration.
    """
    overrides = [*overrides, "source=files", f"source.paths=[{documents}]"]
    write_values(root, overrides)
    for stage in ("download", "jsonl"):
        run_stage(root, stage)
    started = time.monotonic()
    for stage in ("pretokens", "tokenizer", "encode", "train", "evaluate"):
        left = max(0.05, minutes - (time.monotonic() - started) / 60)
        write_values(root, [*overrides, "train.steps=null", f"train.minutes={left:.3f}"])
        run_stage(root, stage)
    return root / "models/lm"


def train_with_transformers(
    documents: Path, out: Path, minutes: float, sizes: dict[str, Any]
) -> None:
    """Trains like transformers' run_clm.py example (a tokenizer from `tokenizers`, blocks of text,
    the Trainer), with sizes and a learning rate for these minutes instead of GPT-2's.
    """
    started = time.monotonic()
    import torch
    from tokenizers import ByteLevelBPETokenizer
    from transformers import (
        AutoModelForCausalLM,
        LlamaConfig,
        PreTrainedTokenizerFast,
        Trainer,
        TrainingArguments,
        default_data_collator,
    )

    texts = list(contents(documents))
    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator(texts, sizes["vocab_size"], 2, special_tokens=[SPECIAL])
    end = bpe.token_to_id(SPECIAL)
    ids = [id for encoding in bpe.encode_batch(texts) for id in (end, *encoding.ids)]
    blocks = torch.tensor(ids[: len(ids) // CONTEXT * CONTEXT]).view(-1, CONTEXT)
    data = [{"input_ids": block, "labels": block} for block in blocks]
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(
        LlamaConfig(**sizes, max_position_embeddings=CONTEXT, tie_word_embeddings=True)
    )
    left = 60 * minutes - (time.monotonic() - started)
    values: dict[str, Any] = {
        "output_dir": str(out),
        "per_device_train_batch_size": BATCH_WINDOWS,
        "learning_rate": 3e-3,
        "lr_scheduler_type": "cosine",
        "weight_decay": 0.1,
        "report_to": "none",
        "save_strategy": "no",
        "use_cpu": True,
        "logging_steps": 50,
        "disable_tqdm": True,
        "bf16": processor_precision() == "bfloat16",  # as this project's train.precision=auto
    }

    def run(steps: int) -> float:
        arguments = TrainingArguments(**values, max_steps=steps, warmup_steps=steps // 50)
        trainer = Trainer(model, arguments, train_dataset=data, data_collator=default_data_collator)
        before = time.monotonic()
        trainer.train()
        return time.monotonic() - before

    start = {name: value.clone() for name, value in model.state_dict().items()}
    run(FEW_STEPS)
    few, more = run(FEW_STEPS), run(MORE_STEPS)
    speed = max(1e-3, (more - few) / (MORE_STEPS - FEW_STEPS))
    left -= few - FEW_STEPS * speed  # what starting takes
    model.load_state_dict(start)
    run(max(1, int(left / speed)))  # the measured steps come on top
    model.save_pretrained(out)
    PreTrainedTokenizerFast(
        tokenizer_object=bpe._tokenizer, bos_token=SPECIAL, eos_token=SPECIAL
    ).save_pretrained(out)


def contents(documents: Path) -> Iterator[str]:
    """Yields the texts of a JSONL file."""
    with documents.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)["content"]


def main() -> None:
    documents, out, minutes, sizes = sys.argv[1:]
    described: dict[str, Any] = json.loads(sizes)
    train_with_transformers(Path(documents), Path(out), float(minutes), described)


if __name__ == "__main__":
    main()
