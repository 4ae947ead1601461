"""The section `evaluate` of the configuration."""

from dataclasses import dataclass

from tohum.config.sections import limits


@dataclass
class Evaluate:
    """How the trained model is measured; a change here does not retrain it."""

    batch_tokens: int = limits(minimum=1)
    baseline_bytes: int = limits(minimum=0, maximum=2**31)
    completion_places: int = limits(minimum=0, maximum=1_000_000)
    completion_tokens: int = limits(minimum=1, maximum=2**20)
    parse_prompts: int = limits(minimum=0, maximum=1_000_000)
    parse_tokens: int = limits(minimum=1, maximum=2**20)
