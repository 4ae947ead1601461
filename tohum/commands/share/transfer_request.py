"""What the command line asks the worker to move.

It is separate from the worker, whose slow imports the process that starts it doesn't need.
"""

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class TransferRequest:
    """What to do: `command` is push or pull; `stall` is in seconds."""

    command: str
    targets: tuple[str, ...] = ()
    remote: str | None = None
    jobs: int | None = None
    stall: float = 120.0
    force: bool = False

    def to_json(self) -> str:
        """Returns the argument for a worker."""
        return json.dumps(asdict(self))
