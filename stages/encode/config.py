"""The section `encode` of the configuration."""

from dataclasses import dataclass

from tohum.config.sections import limits


@dataclass
class Encode:
    """How documents become token files."""

    validation_share: float = limits(minimum=1e-6, maximum=0.5)
