"""The training loop: compact, deterministic on a CPU, and it goes on from its last checkpoint."""

import logging
import math
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stages.config import Model, Runtime, Train
from stages.errors import UserError
from stages.tokenizer.training import load_tokenizer
from stages.tokens import read_split
from stages.train.batches import Windows
from stages.train.checkpoint import Progress, State, load_checkpoint, save_checkpoint
from stages.train.compilation import compile_blocks
from stages.train.display import Display, operations_per_token
from stages.train.divergence import watch_loss
from stages.train.evaluation import (
    Window,
    bits_per_byte,
    sampled,
    token_sizes,
    validation_windows,
)
from stages.train.interruption import Interruption
from stages.train.loss import IGNORED
from stages.train.network import Network
from stages.train.optimizer import build_optimizers, set_learning_rate
from stages.train.probe import DTYPES, faster_precision, matrix_peak
from stages.train.processes import (
    accelerator_for,
    put_back,
    spread,
    whole_states,
    whole_weights,
    without_sum,
)
from stages.train.schedule import learning_rate_share

NO_MEMORY = "can't allocate memory"  # of PyTorch's allocator for the CPU

log = logging.getLogger(__name__)


class Run:
    """One training run: the network, its optimisers, its data, and where it is.

    Raises:
        UserError: a device that is not there, a step that the processes can't share, or too little
            data.
    """

    def __init__(
        self,
        model_config: Model,
        config: Train,
        runtime: Runtime,
        tokens: Path,
        tokenizer_folder: Path,
    ) -> None:
        self.model_config, self.config, self.runtime = model_config, config, runtime
        self.length = model_config.context_length
        self.accelerator = accelerator_for(config)
        self.device: torch.device = self.accelerator.device
        split = read_split(tokens, "train")
        self.windows = Windows(split, self.length, config.seed, config.fim_share)
        self.train_bytes_per_token = split.bytes / len(split.ids)
        self.validation = validation_windows(read_split(tokens, "val"), self.length)
        tokenizer = load_tokenizer(tokenizer_folder)
        self.sizes = token_sizes(tokenizer)
        self.network = Network(model_config, tokenizer.get_vocab_size())
        self.spread = spread(self.network, config, self.accelerator)
        self.optimizers = build_optimizers(self.network, config)
        self.micro_batch = config.micro_batch_tokens // self.length  # windows
        self.progress = Progress()

    def train(self, folder: Path, speeds: Path | None = None) -> None:
        """Runs from the last checkpoint in a folder, if there is one, to the end of the schedule.

        Raises:
            UserError: the loss is no number, or rises.
            KeyboardInterrupt: the process was asked to stop; what it had is in a checkpoint.
        """
        self._restore(folder)
        progress = self.progress
        progress.precision = progress.precision or self._precision()
        peak = matrix_peak(self.device, progress.precision) * self.accelerator.num_processes
        if self.config.compile:
            compile_blocks(self.network, self.length, self.micro_batch, self.device)
        operations = operations_per_token(self.model_config, len(self.network.embedding))
        shown = self.runtime.progress and self.is_first
        display = Display(
            self.config, progress.step, progress.seconds, operations, peak, speeds, shown
        )
        try:
            with Interruption().watch() as interruption:
                self._loop(folder, display, interruption)
        finally:
            display.close()

    def _loop(self, folder: Path, display: Display, interruption: Interruption) -> None:
        progress = self.progress
        started = saved = time.monotonic()
        first, before = progress.step, progress.seconds
        while True:
            done, stop = self._agreed(self._share_done(), interruption.asked)
            if done >= 1 or stop:
                break
            loss = self._step(done)
            watch_loss(progress, loss, self.config)
            progress.step += 1
            progress.seconds = before + time.monotonic() - started
            self._log(loss)
            display.update(progress.step, progress.seconds, loss)
            if self._agreed(0, time.monotonic() - saved > self.runtime.checkpoint_seconds)[1]:
                self._save(folder)
                saved = time.monotonic()
        if progress.step > first:
            self._save(folder)
        if done < 1:
            log.info("saved at step %d", progress.step)
            raise KeyboardInterrupt

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes: the only one, or the first of several."""
        return bool(self.accelerator.is_main_process)

    def _restore(self, folder: Path) -> None:
        self.accelerator.wait_for_everyone()  # until the first process holds the folder
        state = load_checkpoint(folder)
        if state is None:
            return
        put_back(self.network, self.optimizers, state.weights, state.optimizers)
        self.progress = state.progress
        log.info("going on from step %d", self.progress.step)

    def _save(self, folder: Path) -> None:
        weights = whole_weights(self.network)
        states = whole_states(self.network, self.optimizers)
        if self.is_first:
            save_checkpoint(folder, State(weights, states, self.progress))

    def _precision(self) -> str:
        """Returns the configured precision, or the one that a moment's probe finds faster."""
        if self.config.precision != "auto":
            return self.config.precision
        tokens = self.micro_batch * self.length
        found = faster_precision(self.device, self.model_config, tokens)
        (numeral,) = self._from_first(torch.tensor([list(DTYPES).index(found)]))
        precision = list(DTYPES)[int(numeral)]
        log.info("computing in %s, which is fastest here", precision)
        return precision

    def _share_done(self) -> float:
        if self.config.steps is not None:
            return self.progress.step / self.config.steps
        assert self.config.minutes is not None
        return self.progress.seconds / (60 * self.config.minutes)

    def _agreed(self, share: float, flag: bool) -> tuple[float, bool]:
        """Returns the largest share of all processes, and whether any has raised its flag: their
        clocks differ, and a signal may reach one of them first.
        """
        if self.accelerator.num_processes == 1:
            return share, flag
        values = torch.tensor([share, float(flag)], dtype=torch.float64, device=self.device)
        torch.distributed.all_reduce(values, torch.distributed.ReduceOp.MAX)
        return float(values[0]), bool(values[1])

    def _from_first(self, values: Tensor) -> Tensor:
        if self.accelerator.num_processes > 1:
            values = values.to(self.device)
            torch.distributed.broadcast(values, 0)
        return values

    def _step(self, done: float) -> float:
        """Takes one optimiser step and returns the mean loss of the targets that count, in nats."""
        config = self.config
        rate = config.learning_rate * learning_rate_share(
            done, config.warmup_share, config.cooldown_share
        )
        set_learning_rate(self.optimizers, rate)
        while True:
            try:
                loss = self._gradients()
                break
            except RuntimeError as error:
                self._halve_micro_batch(error)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), config.gradient_clip)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        return loss

    def _gradients(self) -> float:
        """Computes the gradients of a step's windows, a micro-batch at a time; returns the loss."""
        count, mine = self.accelerator.num_processes, self.accelerator.process_index
        share = self.config.tokens_per_step // self.length // count  # windows of this process
        first = (self.progress.step * count + mine) * share
        batches = [
            self.windows.batch(start, min(self.micro_batch, first + share - start))
            for start in range(first, first + share, self.micro_batch)
        ]
        counted = self._sum(sum(int((targets != IGNORED).sum()) for _, targets in batches))
        total = 0.0
        for number, (ids, targets) in enumerate(batches):
            last = number == len(batches) - 1
            with without_sum(self.spread, not last), self._cast():
                summed = self.spread(ids.to(self.device), targets.to(self.device))
                # several processes average their gradients: `count` makes a sum of it again
                (summed * (count / max(1.0, counted))).backward()
            total += float(summed.detach())
        return self._sum(total) / max(1.0, counted)

    def _sum(self, value: float) -> float:
        """Returns the sum over all processes."""
        if self.accelerator.num_processes == 1:
            return value
        summed = torch.tensor([value], dtype=torch.float64, device=self.device)
        torch.distributed.all_reduce(summed)
        return float(summed)

    def _cast(self) -> Any:
        dtype = DTYPES[self.progress.precision]
        enabled = dtype != torch.float32
        return torch.autocast(self.device.type, dtype, enabled=enabled)

    def _halve_micro_batch(self, error: RuntimeError) -> None:
        """Makes the micro-batch smaller when the memory was too little: the step's windows stay the
        same.

        Raises:
            RuntimeError: the error is another one.
            UserError: it can't be smaller.
        """
        if not (isinstance(error, torch.OutOfMemoryError) or NO_MEMORY in str(error)):
            raise error
        several = self.accelerator.num_processes > 1  # the others would wait for this one for ever
        if self.micro_batch == 1 or several:
            raise UserError(
                f"the memory of {self.device} is too little for a micro-batch of "
                f"{self.micro_batch * self.length} tokens. Lower train.micro_batch_tokens, "
                "model.context_length or the model's sizes."
            ) from error
        self.micro_batch = (self.micro_batch + 1) // 2
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        log.warning(
            "the memory of %s is too little: going on with micro-batches of %d tokens, the same "
            "steps up to rounding",
            self.device,
            self.micro_batch * self.length,
        )

    def _log(self, loss: float) -> None:
        """Adds a row to the curve every `log_every` steps."""
        progress, config = self.progress, self.config
        progress.recent_losses.append(loss)
        evaluate = progress.step % config.evaluate_every == 0
        if progress.step % config.log_every and not evaluate:
            return
        mean = sum(progress.recent_losses) / len(progress.recent_losses)
        progress.recent_losses = []
        row: dict[str, Any] = {
            "step": progress.step,
            "tokens": progress.step * config.tokens_per_step,
            "learning_rate": f"{self.optimizers[0].param_groups[0]['lr']:.3e}",
            "loss": f"{mean:.4f}",
            "train_bits_per_byte": f"{mean / math.log(2) / self.train_bytes_per_token:.4f}",
        }
        if evaluate:
            bpb = self.evaluate(sampled(self.validation, config.evaluate_tokens))
            row["bits_per_byte"] = f"{bpb:.4f}"
            if self.is_first:
                log.info("step %d: loss %.3f, %.4f bits per byte", progress.step, mean, bpb)
        progress.rows.append(row)

    def evaluate(self, windows: list[Window]) -> float:
        """Returns the bits per byte of validation windows."""
        with self._cast():
            return bits_per_byte(
                self.spread, windows, self.sizes, self.evaluation_batch, self.device
            )

    def weights(self) -> dict[str, Tensor]:
        """Returns all weights on the CPU, by name; all processes have to ask together."""
        return whole_weights(self.network)

    @property
    def evaluation_batch(self) -> int:
        """Windows of a batch without gradients."""
        return 2 * self.micro_batch
