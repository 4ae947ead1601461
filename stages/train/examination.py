"""All that is measured of a finished model: bits per byte, what it writes, whether that parses."""

import logging
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from stages.train.breakdown import by_name, document_bits, document_bytes, read_documents
from stages.train.completions import completions_page
from stages.train.network import Network
from stages.train.parsing import parse_share
from stages.train.run import Run
from tohum.formats.tokenizer import load_tokenizer
from tohum.formats.tokens import read_split

log = logging.getLogger(__name__)


def examine(
    run: Run,
    weights: dict[str, torch.Tensor],
    model: PreTrainedModel,
    tokens: Path,
    tokenizer_folder: Path,
    prompts: list[str],
) -> tuple[dict[str, Any], str]:
    """Returns the figures of the validation documents, and the page of completions.

    bits_per_byte is over all of them, every byte once, in float32. by_source, by_language and
    parse_share are there when the encode stage told what the documents are.

    Args:
        run: a finished one.
        weights: all of its weights.
        model: of transformers, with these weights.
    """
    split = read_split(tokens, "val")
    tokenizer = load_tokenizer(tokenizer_folder)
    count = len(split.offsets) - 1
    documents = read_documents(tokens, count)
    log.info("measuring on all %d validation documents", count)
    network = Network(run.model_config, tokenizer.get_vocab_size())
    network.load_state_dict(weights)
    network.to(run.device).eval()
    bits = document_bits(network, split, run.length, run.evaluation_batch, run.device)
    size = document_bytes(split, run.sizes)
    figures: dict[str, Any] = {"bits_per_byte": round(float(bits.sum() / size.sum()), 6)}
    log.info("%.4f bits per byte", figures["bits_per_byte"])
    if documents:
        for kind in ("source", "language"):
            names = (document.get(kind) for document in documents)
            figures[f"by_{kind}"] = by_name(names, bits, size)
        share = parse_share(model, tokenizer, split, documents)
        if share is not None:
            figures["parse_share"] = share
    return figures, completions_page(model, tokenizer, prompts)
