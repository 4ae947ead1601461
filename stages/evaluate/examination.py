"""What is measured on a trained model: bits per byte, and whether what it writes parses."""

import logging
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from transformers import PreTrainedModel

from stages.evaluate.baselines import baselines
from stages.evaluate.breakdown import by_name, document_bits, document_bytes, read_documents
from stages.evaluate.config import Evaluate
from stages.evaluate.parsing import parse_share
from tohum.cached_decoder import Decoder
from tohum.formats.tokens import read_split
from tohum.model.network import Network
from tohum.model.scoring import token_sizes

log = logging.getLogger(__name__)


def examine(
    network: Network,
    model: PreTrainedModel,
    config: Evaluate,
    tokens: Path,
    tokenizer: Tokenizer,
) -> dict[str, Any]:
    """Returns the figures for the validation documents.

    bits_per_byte covers all of them, every byte once, in float32; baselines has the same for
    compressors. by_source, by_language and parse_share exist if the encode stage described the
    documents.

    Args:
        network: with the trained weights, on the device that measures.
        model: a transformers model with the same weights, in evaluation mode.
        config: the section `evaluate`.
        tokens: data/tokens.
        tokenizer: of the tokens.
    """
    split = read_split(tokens, "val")
    count = len(split.offsets) - 1
    documents = read_documents(tokens, count)
    log.info("measuring on all %d validation documents", count)
    bits = document_bits(network, split, config.batch_tokens)
    size = document_bytes(split, token_sizes(tokenizer))
    figures: dict[str, Any] = {"bits_per_byte": round(float(bits.sum() / size.sum()), 6)}
    log.info("%.4f bits per byte", figures["bits_per_byte"])
    figures["baselines"] = baselines(split, tokenizer)
    if documents:
        for kind in ("source", "language"):
            names = (document.get(kind) for document in documents)
            figures[f"by_{kind}"] = by_name(names, bits, size)
        share = parse_share(Decoder(model).passage(), tokenizer, split, documents, config)
        if share is not None:
            figures["parse_share"] = share
    return figures
