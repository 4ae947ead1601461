"""The keys of conf/generate.yaml."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tohum.config.sections import limits

if TYPE_CHECKING:
    from tohum.decoding import Sampling


@dataclass
class Generate:
    """What `tohum generate` and `tohum serve` generate, and how."""

    prompt: str
    suffix: str | None
    chat: bool
    port: int = limits(minimum=0, maximum=65_535)
    max_new_tokens: int = limits(minimum=1)
    temperature: float = limits(minimum=0, maximum=100)
    top_k: int = limits(minimum=0)
    top_p: float = limits(minimum=1e-6, maximum=1)
    seed: int = limits(minimum=0, maximum=2**32 - 1)
    most_repeats: int = limits(minimum=0, maximum=1000)
    copying: float = limits(minimum=0, maximum=1)

    @property
    def sampling(self) -> "Sampling":
        """How the ids are drawn."""
        from tohum.decoding import Sampling  # imports torch, which takes seconds

        return Sampling(
            self.max_new_tokens,
            self.temperature,
            self.top_k,
            self.top_p,
            self.seed,
            most_repeats=self.most_repeats,
            copying=self.copying,
        )
