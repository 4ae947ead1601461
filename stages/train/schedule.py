"""What changes over a run: the learning rate, and how long the windows of a step are."""

from typing import Any


def learning_rate_share(progress: float, warmup_share: float, cooldown_share: float) -> float:
    """Returns the learning rate as a share of its highest value: linear warm-up, flat, linear to 0.

    Linear decay to zero beats a cosine at equal compute (https://arxiv.org/abs/2502.15938), and a
    flat part lets one shape serve any budget (https://arxiv.org/abs/2405.18392).

    Args:
        progress: the share of the run that is done, in [0, 1].
    """
    if progress < warmup_share:
        return progress / warmup_share
    if progress > 1 - cooldown_share:
        return max(0.0, (1 - progress) / cooldown_share)
    return 1.0


def context_halvings(progress: float, doublings: int, growth_share: float) -> int:
    """Returns how often a step's windows are halved: `doublings` times at first, then ever less.

    A short context is where a model first finds out that code repeats itself, and it costs less;
    what it has learnt there holds in a longer one (Li et al. 2021, https://arxiv.org/abs/2108.06084).

    Args:
        progress: the share of the run that is done, in [0, 1].
        doublings: of the windows, at equal distances over the first `growth_share` of the run.
    """
    if progress >= growth_share:
        return 0
    return doublings - int(doublings * progress / growth_share)


def set_learning_rate(optimizers: list[Any], rate: float) -> None:
    """Sets the learning rate of the next step; a group of parameters may have a `share` of it."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate * group.get("share", 1.0)
