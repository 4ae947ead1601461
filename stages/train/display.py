"""What a run shows: progress, loss, tokens per second, share of the device's peak, and time left.

plots/speed.csv has the speed over the run, for `dvc plots show`. It is not an output of the stage:
two runs that give equal bytes never have equal speeds.
"""

import time
from pathlib import Path

from tqdm import tqdm

from stages.train.config import Train
from tohum.files import atomic_write
from tohum.model.config import Model
from tohum.progress import progress_bar
from tohum.translation import translated, translated_label

SHOWN_SECONDS = 10.0  # between two rows of plots/speed.csv
SECONDS_BAR = "{l_bar}{bar}| {n_fmt} of {total_fmt} s{postfix}"  # a rate in seconds means nothing


def operations_per_token(config: Model, vocab_size: int) -> float:
    """Returns the floating-point operations for training on one token, forward and backward.

    6 for each weight of a matrix (https://arxiv.org/abs/2001.08361), the output's included, plus
    attention over half the context, which is what causal attention needs.
    """
    width, heads = config.hidden_size, config.num_heads + 2 * config.num_key_value_heads
    attention = width * (heads * width // config.num_heads + width)
    weights = config.num_layers * (attention + 3 * width * config.intermediate_size)
    scores = config.num_layers * config.context_length * width
    return 6.0 * (weights + vocab_size * width) + 6.0 * scores


class Display:
    """The progress bar and the speeds of one run.

    Args:
        config: whether steps or minutes end the run.
        step: where it starts.
        seconds: what it has taken so far.
        operations: of training on one token.
        peak: the device's peak, in operations per second.
        speeds: the CSV file for speeds; None writes none.
        shown: whether there is a progress bar.
    """

    def __init__(
        self,
        config: Train,
        step: int,
        seconds: float,
        operations: float,
        peak: float,
        speeds: Path | None,
        shown: bool,
    ) -> None:
        self.tokens_per_step = config.tokens_per_step
        self.operations, self.peak, self.speeds = operations, peak, speeds
        self.by_steps = config.steps is not None
        self.rows: list[str] = []
        self._since, self._step, self._shown = time.monotonic(), step, ""
        self._left = translated_label("left")
        self.total = config.steps or round(60 * (config.minutes or 0))
        self.bar = progress_bar(
            "train",
            "step" if self.by_steps else "s",
            shown,
            total=self.total,
            initial=self._place(step, seconds),
            bar_format=None if self.by_steps else SECONDS_BAR,
        )

    def _place(self, step: int, seconds: float) -> int:
        return step if self.by_steps else min(int(seconds), self.total)

    def update(self, step: int, seconds: float, loss: float) -> None:
        """Shows where the run is; `loss` is that of the last step, in nats."""
        now = time.monotonic()
        if now - self._since >= SHOWN_SECONDS or not self.rows:
            speed = (step - self._step) * self.tokens_per_step / max(now - self._since, 1e-9)
            share = speed * self.operations / self.peak
            self._since, self._step = now, step
            self._shown = translated(f"loss {loss:.3f}, {speed:,.0f} tokens/s, {share:.0%} of peak")
            self.rows.append(f"{step},{speed:.0f},{share:.4f}\n")
        place = self._place(step, seconds)
        left = "" if self.by_steps else f"{tqdm.format_interval(self.total - place)} {self._left}, "
        self.bar.set_postfix_str(left + self._shown, refresh=False)
        self.bar.update(place - self.bar.n)

    def close(self) -> None:
        """Ends the bar and writes the speeds."""
        self.bar.close()
        if self.speeds is not None:
            with atomic_write(self.speeds, "w") as file:
                file.write("step,tokens_per_second,share_of_peak\n")
                file.writelines(self.rows)
