"""The training loop: deterministic on a CPU, and resumable from its last checkpoint."""

import logging
import math
import socket
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from stages.train.batches import Windows, repeated
from stages.train.checkpoint import (
    SHARDS,
    Checkpoint,
    RunState,
    checkpoint_path,
    load_checkpoint,
    mark_as_complete,
    newest_checkpoint,
    read_state,
    save_checkpoint,
)
from stages.train.compiled_blocks import compile_blocks
from stages.train.config import Train
from stages.train.display import Display, operations_per_token
from stages.train.divergence import refuse_gradient, watch_loss
from stages.train.glimpses import Glimpses
from stages.train.gradients import Gradients
from stages.train.interruption import Interruption
from stages.train.loss_scale import current_scale, grow, shrink
from stages.train.optimizers import build_optimizers
from stages.train.overfitting import parting
from stages.train.probe import DTYPES, allow_tf32, faster_precision, matrix_peak
from stages.train.processes import (
    Peers,
    is_sharded,
    put_back,
    spread,
    whole,
    whole_states,
    whole_weights,
)
from stages.train.schedule import context_halvings, learning_rate_share, set_learning_rate
from stages.train.shards import read_shards, write_shards
from tohum.config.runtime import Runtime
from tohum.errors import UserError
from tohum.formats.tokenizer import load_tokenizer
from tohum.formats.tokens import read_split
from tohum.model.config import Model
from tohum.model.network import Network
from tohum.model.scoring import (
    Window,
    bits_per_byte,
    sampled,
    token_sizes,
    validation_windows,
)
from tohum.workdir import work_key

log = logging.getLogger(__name__)


class Run:
    """One training run: the network, its optimisers, its data, and where it is.

    Raises:
        UserError: a missing device, a step that the processes can't share, nodes that see different
            data, or too little of it.
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
        self.peers = Peers(config)
        self.device = self.peers.device
        self.length = model_config.context_length
        # Any number of processes and any micro-batch compute the same steps, so a run may be
        # resumed with others.
        counted = [model_config, replace(config, processes=1, micro_batch_tokens=self.length)]
        self.key = work_key("train", counted, [tokens / "meta.json"])
        self.peers.require_same(self.key, "the code, configuration or tokens")
        split = repeated(read_split(tokens, "train"), self.length)
        windows = [
            Windows(split, self.length >> halvings, config.seed, config.fim_share)
            for halvings in range(config.doublings(self.length) + 1)
        ]
        self.train_bytes_per_token = split.bytes / len(split.ids)
        validation = read_split(tokens, "val")
        self.validation = validation_windows(validation, self.length)
        tokenizer = load_tokenizer(tokenizer_folder)
        self.sizes = token_sizes(tokenizer)
        self.network = Network(model_config, tokenizer.get_vocab_size())
        self.spread = spread(self.network, config, self.peers)
        self.optimizers = build_optimizers(self.network, config)
        self.gradients = Gradients(self.spread, windows, config, self.peers, config.precision)
        self.state = RunState()
        self.samples: Glimpses | None = None
        if runtime.samples and self.peers.is_first and not is_sharded(self.network):
            self.samples = Glimpses(self.network, validation, tokenizer)

    def train(self, folder: Path, speeds: Path | None = None) -> None:
        """Runs from the last checkpoint in a folder, if there is one, to the end of the schedule.

        Args:
            folder: of the checkpoints.
            speeds: the CSV file for the speed; None writes none.

        Raises:
            UserError: the loss is not finite, or rises; there is too little memory; or the time is
                up before the first step.
            KeyboardInterrupt: the process was asked to stop; its state is in a checkpoint.
        """
        started = time.monotonic()
        self._restore(folder)
        if self.state.halved_micro_batch is not None:
            self.gradients.restrict(self.state.halved_micro_batch)
        self.gradients.precision = precision = self._precision()
        self.config = replace(self.config, steps=self.config.steps_in(precision))
        self._try_out()
        display = self._display(speeds)
        try:
            with Interruption().watch() as interruption:
                self._loop(folder, display, interruption, started - self.state.seconds)
        finally:
            display.close()

    def _try_out(self) -> None:
        """Compiles the network where that helps, and agrees with the other processes on a
        micro-batch that fits in memory; a single process finds that in its first step.
        """

        def attempt() -> None:
            self.gradients.try_out(self.network)

        compiled = self._compiles() and compile_blocks(self.network, attempt)
        if not compiled and self.peers.count > 1:
            attempt()

    def _compiles(self) -> bool:
        return self.config.compiles(self.device.type, self.state.precision)

    def _loop(
        self, folder: Path, display: Display, interruption: Interruption, started: float
    ) -> None:
        """Takes steps until the run is done; `started` is on the monotonic clock, in seconds."""
        state, first, saved = self.state, self.state.step, time.monotonic()
        if state.first_step_seconds is None:
            (state.first_step_seconds,) = self.peers.largest(time.monotonic() - started)
            self._require_time(state.first_step_seconds)
        while True:
            state.seconds = time.monotonic() - started
            due = time.monotonic() - saved > self.runtime.checkpoint_seconds
            # the processes' clocks differ, and a signal may reach one of them first
            done, interrupted, due_somewhere = self.peers.largest(
                self._share_done(), interruption.asked, due
            )
            ended = done >= 1 or interrupted > 0
            if (due_somewhere or ended) and state.step > first:
                self._save(folder)
                saved = time.monotonic()
            if ended:
                break
            loss = self._step(done)
            watch_loss(state, loss, self.config)
            state.step += 1
            self._log(loss)
            display.update(state.step, state.seconds, loss)
        if done < 1:
            log.info("saved at step %d", state.step)
            raise KeyboardInterrupt

    def _require_time(self, passed: float) -> None:
        minutes = self.config.minutes
        if minutes is not None and passed >= 60 * minutes:
            remedy = ", or set train.compile=false" if self._compiles() else ""
            raise UserError(
                f"train.minutes is {minutes}, and {passed:.0f} s had passed before the first step. "
                f"Raise it{remedy}."
            )

    def _step(self, done: float) -> float:
        """Takes one optimiser step and returns the mean loss of the targets that count, in nats.

        Raises:
            UserError: the gradient is not finite.
        """
        config = self.config
        rate = config.learning_rate * learning_rate_share(
            done, config.warmup_share, config.cooldown_share
        )
        set_learning_rate(self.optimizers, rate)
        doublings = len(self.gradients.windows) - 1
        halvings = context_halvings(done, doublings, config.context_growth_share)
        loss = self.gradients.compute(self.state.step, current_scale(self.state), halvings)
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), config.gradient_clip)
        if math.isfinite(float(whole(norm))):
            with self.gradients.cast():  # for the products of Muon
                for optimizer in self.optimizers:
                    optimizer.step()
            grow(self.state)
        elif math.isfinite(loss) and not shrink(self.state):
            refuse_gradient(self.state, config)
        self.network.zero_grad()
        return loss

    def _share_done(self) -> float:
        if self.config.steps is not None:
            return self.state.step / self.config.steps
        before = self.state.first_step_seconds
        assert self.config.minutes is not None and before is not None
        # another process's first step may have been later than this one's
        return max(0.0, (self.state.seconds - before) / (60 * self.config.minutes - before))

    def _restore(self, folder: Path) -> None:
        self.peers.wait()  # until the first process has locked the folder
        newest = newest_checkpoint(folder) if self.peers.is_first else None
        name = self.peers.from_first(newest and newest.name)
        if name is None:
            return
        saved = folder / name
        try:
            self.state = read_state(saved)
        except FileNotFoundError:
            raise UserError(
                f"{socket.gethostname()} does not see {saved}, from which the others resume. "
                "Every node needs the project folder on a file system that all of them share."
            ) from None
        if saved.suffix == SHARDS:
            read_shards(saved, self.network, self.optimizers)
        else:
            checkpoint = load_checkpoint(saved)
            put_back(self.network, self.optimizers, checkpoint.weights, checkpoint.optimizers)
        log.info("resuming from step %d", self.state.step)

    def _save(self, folder: Path) -> None:
        self.state.halved_micro_batch = self.gradients.halved
        if is_sharded(self.spread):
            saved = checkpoint_path(folder, self.state.step, SHARDS)
            files = write_shards(saved, self.network, self.optimizers, self.peers)
            if self.peers.is_first:
                mark_as_complete(saved, files, self.state)
            return
        weights = whole_weights(self.network)
        states = whole_states(self.network, self.optimizers)
        if self.peers.is_first:
            save_checkpoint(folder, Checkpoint(weights, states, self.state))

    def _precision(self) -> str:
        """Returns the configured precision, or the fastest that a short probe finds; a resumed run
        keeps its own.
        """
        state, config = self.state, self.config
        if not state.precision and config.precision == "auto":
            tokens = self.gradients.micro_batch * self.length
            found = faster_precision(self.device, self.model_config, tokens)
            (place,) = self.peers.largest(list(DTYPES).index(found))
            state.precision = list(DTYPES)[int(place)]
            log.info("computing in %s, which is fastest here", state.precision)
        if config.precision == "auto":
            allow_tf32()
        state.precision = state.precision or config.precision
        return state.precision

    def _display(self, speeds: Path | None) -> Display:
        peak = matrix_peak(self.device, self.state.precision) * self.peers.count
        return Display(
            self.config,
            self.state.step,
            self.state.seconds,
            operations_per_token(self.model_config, len(self.network.embedding)),
            peak,
            speeds,
            self.runtime.progress and self.peers.is_first,
        )

    def _log(self, loss: float) -> None:
        """Adds a row to the curve every `log_every` steps."""
        state, config = self.state, self.config
        state.recent_losses.append(loss)
        evaluate = state.step % config.evaluate_every == 0
        if state.step % config.log_every and not evaluate:
            return
        mean = sum(state.recent_losses) / len(state.recent_losses)
        state.recent_losses = []
        row: dict[str, Any] = {
            "step": state.step,
            "tokens": state.step * config.tokens_per_step,
            "learning_rate": f"{self.optimizers[0].param_groups[0]['lr']:.3e}",
            "loss": f"{mean:.4f}",
            "train_bits_per_byte": f"{mean / math.log(2) / self.train_bytes_per_token:.4f}",
        }
        if evaluate:
            bpb = self.evaluate(sampled(self.validation, config.evaluate_tokens))
            row["bits_per_byte"] = f"{bpb:.4f}"
            if self.peers.is_first:
                log.info("step %d: loss %.3f, %.4f bits per byte", state.step, mean, bpb)
        state.rows.append(row)
        if evaluate and self.peers.is_first:
            self._tell()

    def _tell(self) -> None:
        """Shows, after a measurement, what the model writes, and once that the curves part."""
        state = self.state
        if self.samples is not None and self.samples.due(state.seconds):
            with self.gradients.cast():
                log.info("step %d writes: %s", state.step, self.samples.line())
        found = parting(state.rows)
        if found is not None and found.noticed_step == state.step:
            log.warning("%s", found.told)

    def evaluate(self, windows: list[Window]) -> float:
        """Returns the bits per byte of validation windows."""
        with self.gradients.cast():
            return bits_per_byte(
                self.spread, windows, self.sizes, self.evaluation_batch, self.device
            )

    def weights(self) -> dict[str, torch.Tensor]:
        """Returns all weights on the CPU, by name; all processes must call this together."""
        return whole_weights(self.network)

    @property
    def evaluation_batch(self) -> int:
        """Number of windows in a batch computed without gradients."""
        return 2 * self.gradients.micro_batch
