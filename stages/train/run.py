"""The training loop: compact, deterministic on a CPU, and it goes on from its last checkpoint."""

import logging
import math
import time
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from tqdm import tqdm
from transformers import PreTrainedModel

from stages.config import Model, Runtime, Train
from stages.errors import UserError
from stages.tokenizer.training import load_tokenizer
from stages.tokens import read_split
from stages.train.batches import Windows
from stages.train.checkpoint import Progress, load_checkpoint, save_checkpoint
from stages.train.evaluation import (
    IGNORED,
    Window,
    bits_per_byte,
    sampled,
    token_sizes,
    validation_windows,
)
from stages.train.model import build_model, build_optimizer, token_losses
from stages.train.schedule import learning_rate_share

log = logging.getLogger(__name__)


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
        self.windows = Windows(split, self.length, config.seed, config.fim_share)
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
        first, before = self.progress.step, self.progress.seconds
        with self._progress_bar() as bar:
            while (done := self._share_done()) < 1:
                loss = self._step(done)
                self.progress.step += 1
                self.progress.seconds = before + time.monotonic() - started
                self._log(loss, bar)
                if time.monotonic() - saved > self.runtime.checkpoint_seconds:
                    save_checkpoint(checkpoint, self.unwrapped, optimizer, self.progress)
                    saved = time.monotonic()
        if self.progress.step > first:
            save_checkpoint(checkpoint, self.unwrapped, optimizer, self.progress)

    @property
    def unwrapped(self) -> PreTrainedModel:
        """The model itself, without what several processes need around it."""
        model = self.accelerator.unwrap_model(self.model)
        assert isinstance(model, PreTrainedModel)
        return model

    def _share_done(self) -> float:
        if self.config.steps is not None:
            return self.progress.step / self.config.steps
        assert self.config.minutes is not None
        return self.progress.seconds / (60 * self.config.minutes)

    def _step(self, done: float) -> float:
        """Takes one optimiser step and returns the mean loss of the targets that count, in nats."""
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
        starts = range(first, first + per_step, per_micro_batch)
        batches = [self.windows.batch(start, per_micro_batch) for start in starts]
        counted = max(1, sum(int((targets != IGNORED).sum()) for _, targets in batches))
        for inputs, targets in batches:
            with accelerator.autocast():
                losses = token_losses(
                    self.model, inputs.to(accelerator.device), targets.to(accelerator.device)
                )
            loss = losses.sum() / counted
            accelerator.backward(loss)
            total += float(loss.detach())
        if not math.isfinite(total):
            raise UserError(
                f"the loss at step {self.progress.step} is {total}: the run diverged. Lower "
                f"train.learning_rate ({config.learning_rate}) or lengthen train.warmup_share "
                f"({config.warmup_share})."
            )
        accelerator.clip_grad_norm_(self.model.parameters(), config.gradient_clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return total

    def _log(self, loss: float, bar: "tqdm[Any]") -> None:
        """Shows the progress, and adds a row to the curve every `log_every` steps."""
        step, config = self.progress.step, self.config
        bar.update(config.tokens_per_step if config.steps else self.progress.seconds - bar.n)
        self.progress.recent_losses.append(loss)
        evaluate = step % config.evaluate_every == 0
        if step % config.log_every and not evaluate:
            return
        mean = sum(self.progress.recent_losses) / len(self.progress.recent_losses)
        self.progress.recent_losses = []
        row: dict[str, Any] = {
            "step": step,
            "tokens": step * config.tokens_per_step,
            "learning_rate": f"{self.optimizer.param_groups[0]['lr']:.3e}",
            "loss": f"{mean:.4f}",
            "train_bits_per_byte": f"{mean / math.log(2) / self.train_bytes_per_token:.4f}",
        }
        if evaluate:
            bpb = self.evaluate(sampled(self.validation, config.evaluate_tokens))
            row["bits_per_byte"] = f"{bpb:.4f}"
            log.info("step %d: loss %.3f, %.4f bits per byte", step, mean, bpb)
        self.progress.rows.append(row)
        bar.set_postfix_str(f"loss {mean:.3f}", refresh=False)

    def evaluate(self, windows: list[Window]) -> float:
        """Returns the bits per byte of validation windows."""
        per_batch = 2 * self.config.micro_batch_tokens // self.length  # there are no gradients
        return bits_per_byte(self.model, windows, self.sizes, per_batch, self.accelerator.device)

    def _progress_bar(self) -> "tqdm[Any]":
        config, off = self.config, not self.runtime.progress
        if config.steps is not None:
            return tqdm(
                desc="train",
                unit="token",
                unit_scale=True,
                total=config.steps * config.tokens_per_step,
                initial=self.progress.step * config.tokens_per_step,
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
