"""The devices that PyTorch can compute on here."""

import torch

from tohum.errors import UserError


def require_device(device: str) -> None:
    """Checks that a value of train.device is there on this machine.

    Raises:
        UserError: it is not.
    """
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
        "auto": True,
    }
    if not available[device]:
        found = ", ".join(name for name, there in available.items() if there)
        raise UserError(
            f"train.device is {device}, which this machine does not have. Available: {found}."
        )
