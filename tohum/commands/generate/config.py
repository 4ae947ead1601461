"""The keys of conf/generate.yaml."""

from dataclasses import dataclass
from pathlib import Path

from tohum.config.sections import limits

GENERATE_FILE = Path("conf/generate.yaml")


@dataclass
class Generate:
    """How `tohum generate` continues a prompt."""

    prompt: str
    suffix: str | None
    chat: bool
    serve: bool
    port: int = limits(minimum=0, maximum=65_535)
    max_new_tokens: int = limits(minimum=1)
    temperature: float = limits(minimum=0, maximum=100)
    top_k: int = limits(minimum=0)
    top_p: float = limits(minimum=1e-6, maximum=1)
    seed: int = limits(minimum=0, maximum=2**32 - 1)
