"""What is measured on a trained model: bits per byte, what it completes, whether what it writes
parses.
"""

import logging
from pathlib import Path
from typing import Any

import numpy
from tokenizers import Tokenizer

from stages.evaluate.baselines import baselines
from stages.evaluate.breakdown import (
    by_name,
    document_bits,
    document_bytes,
    read_documents,
    write_document_figures,
)
from stages.evaluate.code_completion import measured_completion
from stages.evaluate.config import Evaluate
from stages.evaluate.ngrams import Ngrams
from stages.evaluate.parsing import parse_share
from stages.evaluate.places import choose_places, sources
from stages.evaluate.suggesters import named_suggesters
from stages.evaluate.trained_baselines import trained_baselines
from stages.evaluate.training_text import spread
from tohum.cached_decoder import Decoder
from tohum.formats.tokens import read_split
from tohum.model.network import Network
from tohum.model.scoring import token_sizes

log = logging.getLogger(__name__)


def examine(
    network: Network,
    decoder: Decoder,
    config: Evaluate,
    tokens: Path,
    tokenizer: Tokenizer,
    middles: bool,
    listing: Path,
) -> dict[str, Any]:
    """Returns the figures for the validation documents.

    bits_per_byte covers all of them, every byte once, in float32; baselines has the same for
    compressors and an n-gram, of which the last ones have read baseline_bytes of training text.
    by_source, by_language, completion and parse_share exist if the encode stage described the
    documents.

    Args:
        network: with the trained weights, on the device that measures.
        decoder: with the same weights.
        config: the section `evaluate`.
        tokens: data/tokens.
        tokenizer: of the tokens.
        middles: whether the model was trained to fill in.
        listing: the file that gets a line of figures for each document.
    """
    split = read_split(tokens, "val")
    count = len(split.offsets) - 1
    documents = read_documents(tokens, count)
    log.info("measuring on all %d validation documents", count)
    bits = document_bits(network, split, config.batch_tokens)
    sizes = token_sizes(tokenizer)
    size = document_bytes(split, sizes)
    write_document_figures(listing, documents, bits, size)
    figures: dict[str, Any] = {"bits_per_byte": round(float(bits.sum() / size.sum()), 6)}
    log.info("%.4f bits per byte", figures["bits_per_byte"])
    figures["baselines"] = baselines(split, tokenizer)
    ngrams = None
    read = spread(read_split(tokens, "train"), sizes, config.baseline_bytes)
    if read:
        ids = numpy.concatenate(read)
        ngrams = Ngrams(ids, len(sizes), network.config.context_length)
        figures["baselines"] |= trained_baselines(read, ngrams, split, tokenizer)
        figures["baseline_bytes"] = int(sizes[ids].sum())
    if documents:
        for kind in ("source", "language"):
            names = (document.get(kind) for document in documents)
            figures[f"by_{kind}"] = by_name(names, bits, size)
        found = choose_places(sources(split, documents, tokenizer), config.completion_places)
        if found:
            suggesters = named_suggesters(decoder.passage(), ngrams, tokenizer)
            figures["completion"] = measured_completion(suggesters, found, middles)
        share = parse_share(decoder.passage(), tokenizer, split, documents, config)
        if share is not None:
            figures["parse_share"] = share
    return figures
