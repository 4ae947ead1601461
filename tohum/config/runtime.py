"""Values that can't change an output byte, so no stage lists them as params."""

from dataclasses import dataclass
from pathlib import Path

from tohum.config.loading import read_yaml
from tohum.config.sections import limits, read_section

RUNTIME_FILE = Path("conf/runtime.yaml")


@dataclass
class Runtime:
    """Values that can't change an output byte, so no stage lists them as params."""

    progress: bool
    samples: bool
    content_url: str
    cluster: str | None
    workers: int = limits(minimum=1, maximum=4096)
    connections: int = limits(minimum=1, maximum=4096)
    timeout_seconds: float = limits(minimum=1)
    largest_blob_bytes: int = limits(minimum=1)
    decoder_bytes: int = limits(minimum=1 << 20)
    patience_seconds: float = limits(minimum=0)
    checkpoint_seconds: float = limits(minimum=1)


def load_runtime(path: Path = RUNTIME_FILE) -> Runtime:
    """Reads the values that can't change an output byte.

    Raises:
        UserError: the file is missing, or a value in it is not allowed.
    """
    return read_section("runtime", Runtime, read_yaml(path, "Restore it with `git checkout`."))
