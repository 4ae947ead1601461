"""The section `pretokenizer` of the configuration."""

import re
from dataclasses import dataclass
from typing import Any

from tohum.config.sections import limits
from tohum.errors import UserError


@dataclass
class Pretokenizer:
    """How text is cut into pretokens, and which documents are."""

    pattern: str
    max_memory: str
    max_pretoken_bytes: int = limits(minimum=2, maximum=65_536)
    sample_share: float = limits(minimum=1e-6, maximum=1)

    def check(self, _: Any) -> None:
        """Raises a UserError if max_memory is not a size."""
        bytes_of(self.max_memory)


def bytes_of(size: str, key: str = "pretokenizer.max_memory") -> int:
    """Returns a size such as 2GB, 500MB or 1.5 GB (powers of 1,000) in bytes.

    Args:
        key: that it is the value of, for the message.

    Raises:
        UserError: it is not a size, or is below a megabyte.
    """
    matched = re.fullmatch(r"(\d+(?:\.\d+)?) ?([MGT])B", size)
    found = (
        int(float(matched[1]) * {"M": 10**6, "G": 10**9, "T": 10**12}[matched[2]]) if matched else 0
    )
    if found < 10**6:
        raise UserError(
            f"{key} is {size!r}, expected a size of at least 1MB, such as 500MB or 2GB."
        )
    return found
