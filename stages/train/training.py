"""The training loop: compact, deterministic on a CPU, and it goes on from its last checkpoint."""

import csv
import logging
import math
import shutil
import time
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from tqdm import tqdm
from transformers import PreTrainedModel
from transformers.utils import logging as transformers_logging

from stages.config import Model, Runtime, Train
from stages.errors import UserError
from stages.tokenizer.training import load_tokenizer
from stages.tokens import read_meta, read_split
from stages.train.batches import Windows
from stages.train.card import model_card
from stages.train.checkpoint import Progress, load_checkpoint, save_checkpoint
from stages.train.evaluation import bits_per_byte, sampled, token_sizes, validation_windows
from stages.train.model import (
    build_model,
    build_optimizer,
    processor,
    set_determinism,
    token_losses,
)
from stages.train.schedule import learning_rate_share
from stages.workdir import (
    atomic_write,
    file_sha256,
    fresh,
    open_workdir,
    publish,
    work_key,
    write_json,
)

COLUMNS = ("step", "tokens", "learning_rate", "loss", "train_bits_per_byte", "bits_per_byte")

log = logging.getLogger(__name__)


def train(
    model_config: Model,
    config: Train,
    runtime: Runtime,
    tokens: Path,
    tokenizer_folder: Path,
    out: Path,
    metrics: Path,
    plot: Path,
) -> None:
    """Trains on data/tokens and writes the model, its metrics and its curve.

    Raises:
        UserError: too little data, a device that is not there, or a loss that is no number.
    """
    transformers_logging.disable_progress_bar()
    meta = read_meta(tokens)
    if meta["tokenizer_sha256"] != file_sha256(tokenizer_folder / "tokenizer.json"):
        raise UserError(
            f"{tokens} was encoded with another tokenizer than {tokenizer_folder}. Run `dvc repro "
            "encode`."
        )
    set_determinism(config)
    with open_workdir(
        "train", work_key("train", [model_config, config], [tokens / "meta.json"])
    ) as work:
        run = Run(model_config, config, runtime, tokens, tokenizer_folder)
        run.train(work / "checkpoint.pt")
        finished = fresh(work / "lm")
        facts = run.facts(meta)
        run.save(finished, tokenizer_folder, facts)
        publish(finished, out)
        write_rows(plot, run.progress.rows)
        write_json(metrics, facts)


class Run:
    """One training run: the model, its optimiser, its data, and where it is."""

    def __init__(
        self,
        model_config: Model,
        config: Train,
        runtime: Runtime,
        tokens: Path,
        tokenizer_folder: Path,
    ) -> None:
        self.config = config
        self.runtime = runtime
        self.length = model_config.context_length
        self.accelerator = _accelerator(config)
        split = read_split(tokens, "train")
        self.windows = Windows(split.ids, self.length, config.seed)
        self.train_bytes_per_token = split.bytes / len(split.ids)
        self.validation = validation_windows(read_split(tokens, "val"), self.length)
        tokenizer = load_tokenizer(tokenizer_folder)
        self.sizes = token_sizes(tokenizer)
        self.model: PreTrainedModel = build_model(model_config, tokenizer.get_vocab_size())
        self.optimizer: Any = build_optimizer(self.model, config)
        self.progress = Progress()

    def train(self, checkpoint: Path) -> None:
        """Runs from the checkpoint, if there is one, to the end of the schedule.

        Raises:
            UserError: the loss is no number.
        """
        self.progress = load_checkpoint(checkpoint, self.model, self.optimizer)
        model, optimizer = self.accelerator.prepare(self.model, self.optimizer)
        self.model, self.optimizer = model, optimizer
        started = saved = time.monotonic()
        before = self.progress.seconds
        losses: list[float] = []
        with self._progress_bar() as bar:
            while (done := self._share_done()) < 1:
                losses.append(self._step(done))
                self.progress.step += 1
                self.progress.seconds = before + time.monotonic() - started
                self._log(losses, bar)
                if time.monotonic() - saved > self.runtime.checkpoint_seconds:
                    save_checkpoint(
                        checkpoint, self.accelerator.unwrap_model(model), optimizer, self.progress
                    )
                    saved = time.monotonic()
        if losses:  # else the checkpoint is of the finished run
            save_checkpoint(
                checkpoint, self.accelerator.unwrap_model(model), optimizer, self.progress
            )

    def _share_done(self) -> float:
        if self.config.steps is not None:
            return self.progress.step / self.config.steps
        assert self.config.minutes is not None
        return self.progress.seconds / (60 * self.config.minutes)

    def _step(self, done: float) -> float:
        """Takes one optimiser step and returns the mean loss of its tokens, in nats."""
        config, accelerator = self.config, self.accelerator
        rate = config.learning_rate * learning_rate_share(
            done, config.warmup_share, config.cooldown_share
        )
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        per_step = config.tokens_per_step // self.length
        per_micro_batch = config.micro_batch_tokens // self.length
        total = 0.0
        first = self.progress.step * per_step
        for start in range(first, first + per_step, per_micro_batch):
            inputs, targets = self.windows.batch(start, per_micro_batch)
            with accelerator.autocast():
                losses = token_losses(
                    self.model, inputs.to(accelerator.device), targets.to(accelerator.device)
                )
            loss = losses.sum() / config.tokens_per_step
            accelerator.backward(loss)
            total += float(loss.detach())
        if not math.isfinite(total):
            raise UserError(
                f"the loss at step {self.progress.step} is {total}: the run diverged. Lower "
                "train.learning_rate "
                f"({config.learning_rate}) or lengthen train.warmup_share ({config.warmup_share})."
            )
        accelerator.clip_grad_norm_(self.model.parameters(), config.gradient_clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return total

    def _log(self, losses: list[float], bar: "tqdm[Any]") -> None:
        """Shows the progress, and adds a row to the curve every `log_every` steps."""
        step, config = self.progress.step, self.config
        bar.update(config.tokens_per_step if config.steps else self.progress.seconds - bar.n)
        evaluate = step % config.evaluate_every == 0
        if step % config.log_every and not evaluate:
            return
        recent = losses[-config.log_every :]
        loss = sum(recent) / len(recent)
        row: dict[str, Any] = {
            "step": step,
            "tokens": step * config.tokens_per_step,
            "learning_rate": f"{self.optimizer.param_groups[0]['lr']:.3e}",
            "loss": f"{losses[-1]:.4f}",
            "train_bits_per_byte": f"{losses[-1] / math.log(2) / self.train_bytes_per_token:.4f}",
        }
        if evaluate:
            row["bits_per_byte"] = (
                f"{self.evaluate(sampled(self.validation, config.evaluate_tokens)):.4f}"
            )
            log.info("step %d: loss %.3f, %s bits per byte", step, loss, row["bits_per_byte"])
        self.progress.rows.append(row)
        bar.set_postfix_str(f"loss {loss:.3f}", refresh=False)

    def evaluate(self, windows: Any) -> float:
        """Returns the bits per byte of validation windows."""
        per_batch = max(1, self.config.micro_batch_tokens // self.length)
        return bits_per_byte(self.model, windows, self.sizes, per_batch, self.accelerator.device)

    def _progress_bar(self) -> "tqdm[Any]":
        config, off = self.config, not self.runtime.progress
        if config.steps is not None:
            total, done = (
                config.steps * config.tokens_per_step,
                self.progress.step * config.tokens_per_step,
            )
            return tqdm(
                desc="train",
                unit="token",
                unit_scale=True,
                total=total,
                initial=done,
                disable=off,
                mininterval=1,
            )
        assert config.minutes is not None
        return tqdm(
            desc="train",
            unit="s",
            total=60 * config.minutes,
            initial=self.progress.seconds,
            disable=off,
        )

    def facts(self, meta: dict[str, Any]) -> dict[str, Any]:
        """Returns the metrics of the finished run; nothing in them varies from run to run on one
        kind of machine.
        """
        model = self.accelerator.unwrap_model(self.model)
        tokens = self.progress.step * self.config.tokens_per_step
        bpb = self.evaluate(self.validation)
        log.info("%.4f bits per byte on all %d validation documents", bpb, meta["val"]["documents"])
        return {
            "bits_per_byte": round(bpb, 6),
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
            "steps": self.progress.step,
            "tokens": tokens,
            "epochs": round(tokens / meta["train"]["tokens"], 4),
            "val_documents": meta["val"]["documents"],
            "val_bytes": meta["val"]["bytes"],
            "threads": self.config.threads,
            "processor": processor()
            if self.accelerator.device.type == "cpu"
            else str(self.accelerator.device),
        }

    def save(self, folder: Path, tokenizer_folder: Path, facts: dict[str, Any]) -> None:
        """Writes what `from_pretrained` loads: weights, configuration, tokenizer, and the model
        card.
        """
        self.accelerator.unwrap_model(self.model).save_pretrained(folder)
        for name in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copyfile(tokenizer_folder / name, folder / name)
        with atomic_write(folder / "README.md", "w") as file:
            file.write(model_card(facts))


def _accelerator(config: Train) -> Accelerator:
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
        "auto": True,
    }
    if not available[config.device]:
        found = ", ".join(name for name, there in available.items() if there)
        raise UserError(
            f"train.device is {config.device}, which this machine does not have. Available: "
            f"{found}."
        )
    precision = {"float32": "no", "bfloat16": "bf16"}[config.precision]
    return Accelerator(cpu=config.device == "cpu", mixed_precision=precision)


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """Writes the curve as CSV; a step without a look at the validation documents leaves that column
    empty.
    """
    with atomic_write(path, "w") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
