"""The section `tokenizer` of the configuration."""

from dataclasses import dataclass

from tohum.config.sections import limits
from tohum.formats.special_tokens import SPECIAL_TOKENS

SMALLEST_VOCABULARY = len(SPECIAL_TOKENS) + 256


@dataclass
class Tokenizer:
    """The size of the byte-level BPE vocabulary."""

    vocab_size: int = limits(minimum=SMALLEST_VOCABULARY, maximum=2**20)
    min_frequency: int = limits(minimum=1)
