"""All that is measured of a finished model: bits per byte, what it writes, whether that parses."""

import logging
from pathlib import Path
from typing import Any

from stages.tokenizer.training import load_tokenizer
from stages.tokens import read_split
from stages.train.breakdown import by_name, document_bits, document_bytes, read_documents
from stages.train.completions import completions_page
from stages.train.parsing import parse_share
from stages.train.run import Run

log = logging.getLogger(__name__)


def examine(
    run: Run, tokens: Path, tokenizer_folder: Path, prompts: list[str]
) -> tuple[dict[str, Any], str]:
    """Returns the figures of the validation documents, and the page of completions.

    bits_per_byte is over all of them, every byte once. by_source, by_language and parse_share are
    there when the encode stage told what the documents are.
    """
    split = read_split(tokens, "val")
    tokenizer = load_tokenizer(tokenizer_folder)
    count = len(split.offsets) - 1
    documents = read_documents(tokens, count)
    log.info("measuring on all %d validation documents", count)
    per_batch = 2 * run.config.micro_batch_tokens // run.length  # there are no gradients
    bits = document_bits(run.model, split, run.length, per_batch, run.accelerator.device)
    size = document_bytes(split, run.sizes)
    figures: dict[str, Any] = {"bits_per_byte": round(float(bits.sum() / size.sum()), 6)}
    log.info("%.4f bits per byte", figures["bits_per_byte"])
    model = run.unwrapped.eval()
    if documents:
        for kind in ("source", "language"):
            names = (document.get(kind) for document in documents)
            figures[f"by_{kind}"] = by_name(names, bits, size)
        share = parse_share(model, tokenizer, split, documents)
        if share is not None:
            figures["parse_share"] = share
    return figures, completions_page(model, tokenizer, prompts)
