"""What follows from a model's depth, where conf/ or an override does not say otherwise.

Width, heads and feed-forward layers grow with the number of blocks, so one number makes a model
larger or smaller in proportion, as nanochat's depth does. The presets are points of this line.

`${derived:hidden_size}` in conf/model/ is the value that this module derives from the other values
of the section. Those are as the user wrote them; what is not a size at all is refused afterwards,
by its own key, when the section is checked.
"""

from typing import Any

from omegaconf import DictConfig, OmegaConf

HEAD_SIZE = 64  # of the width, at least, for each head
HEADS_PER_LAYER = 0.75
FEED_FORWARD = 3  # times the width: with SwiGLU's three matrices, about 8/3 is usual
MOST_LAYERS, MOST_HEADS = 1024, 4096  # beyond which the check refuses, and no answer is looked for


def hidden_size(num_layers: int) -> int:
    """Returns the width of a model of this depth."""
    return HEAD_SIZE * max(1, int(HEADS_PER_LAYER * num_layers))


def num_heads(width: int) -> int:
    """Returns the most heads of at least HEAD_SIZE, all of one even size, that fill the width."""
    most = min(width // HEAD_SIZE, MOST_HEADS)
    fitting = (heads for heads in range(most, 0, -1) if width % (2 * heads) == 0)
    return next(fitting, 1)


def derived(name: str, _parent_: DictConfig) -> int:
    """Returns the value of a key of the section `model`, from the others."""
    if name == "hidden_size":
        return hidden_size(min(_size(_parent_, "num_layers"), MOST_LAYERS))
    if name == "intermediate_size":
        return FEED_FORWARD * _size(_parent_, "hidden_size")
    if name == "num_heads":
        return num_heads(_size(_parent_, "hidden_size"))
    if name == "num_key_value_heads":
        return _size(_parent_, "num_heads")
    raise ValueError(f"nothing derives {name!r}")


def _size(section: DictConfig, key: str) -> int:
    """Returns a size of the section; a small one in place of what the check will refuse."""
    value: Any = section.get(key)
    try:
        return max(1, int(value))
    except (TypeError, ValueError, OverflowError):
        return HEAD_SIZE


def register() -> None:
    """Makes `derived` known to OmegaConf, for whatever composes conf/."""
    OmegaConf.register_new_resolver("derived", derived, replace=True)
