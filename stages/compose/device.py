"""Refuses a device that this machine does not have before any stage runs."""

from typing import Any

from stages.compose.corrections import to_paste
from tohum.errors import UserError

ANYWHERE = ("cpu", "auto")


def check_device(values: dict[str, Any], overrides: list[str]) -> None:
    """Checks train.device of composed values; torch takes seconds to import, and is asked only for
    a device that may be missing.

    Raises:
        UserError: the device is not there; with the lines of params.yaml that train on any.
    """
    device = values["train"]["device"]
    if device in ANYWHERE:
        return
    from tohum.model.devices import require_device

    try:
        require_device(device)
    except UserError as refusal:
        others = [text for text in overrides if not text.lstrip("+").startswith("train.device")]
        raise UserError(
            f"{refusal} train.device=auto takes the best there is, here and on another machine.\n"
            f"{to_paste([*others, 'train.device=auto'])}"
        ) from None
