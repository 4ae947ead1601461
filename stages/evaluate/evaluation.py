"""Evaluates the trained weights and writes a model that `from_pretrained` loads.

It takes seconds and runs in one process, however many trained: on the device that trained if it is
available, otherwise on the CPU, and always in float32.
"""

import logging
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel
from transformers.utils import logging as transformers_logging

from stages.evaluate.attribution import write_attribution
from stages.evaluate.card import model_card
from stages.evaluate.config import Evaluate
from stages.evaluate.examination import examine
from stages.evaluate.export import export, write_model
from stages.evaluate.prompts import completions_page, read_prompts
from tohum.cached_decoder import Decoder
from tohum.files import atomic_write, check_files, fresh, publish, write_json
from tohum.formats.tokenizer import load_tokenizer
from tohum.formats.tokens import SPLITS, check_tokens, read_meta
from tohum.model.determinism import processor, set_determinism
from tohum.model.weights import FACTS, WEIGHTS, read_facts, read_network
from tohum.workdir import open_workdir, work_key

log = logging.getLogger(__name__)


def evaluate(
    config: Evaluate,
    weights: Path,
    tokens: Path,
    tokenizer_folder: Path,
    prompts: Path,
    out: Path,
    metrics: Path,
) -> None:
    """Measures models/weights and writes the model with its card, attribution and completions, and
    the metrics.

    Raises:
        UserError: an input is missing, or the weights were trained on other tokens.
    """
    transformers_logging.disable_progress_bar()
    meta, facts, wanted = read_meta(tokens), read_facts(weights, tokens), read_prompts(prompts)
    check_tokens(tokens, SPLITS if config.baseline_bytes else ["val"])
    check_files({tokenizer_folder / "tokenizer.json": meta["tokenizer_sha256"]}, "tokenizer")
    inputs = [tokens / "meta.json", weights / WEIGHTS, weights / FACTS, prompts]
    with open_workdir("evaluate", work_key("evaluate", [config], inputs)) as work:
        set_determinism(facts["train"]["seed"], facts["threads"])
        device = device_of(facts["device"])
        network, tokenizer = read_network(weights, facts), load_tokenizer(tokenizer_folder)
        model = export(network.state_dict(), network.config)
        decoder = Decoder(model)
        middles = facts["train"]["fim_share"] > 0
        finished = fresh(work / "lm")
        listing = finished / "validation.jsonl"
        measured = examine(network.to(device), decoder, config, tokens, tokenizer, middles, listing)
        figures = {**measured, **facts_of_training(facts, model, meta, device)}
        write_model(model, finished, tokenizer_folder)
        write_page(finished / "README.md", model_card(figures, facts, meta))
        page = completions_page(decoder.passage(), tokenizer, wanted, config.completion_tokens)
        write_page(finished / "completions.md", page)
        write_attribution(finished, tokens, meta)
        publish(finished, out)
        write_json(metrics, figures)


def device_of(name: str) -> torch.device:
    """Returns the device that trained if this machine has it, otherwise the CPU.

    Args:
        name: of the device as torch writes it, for example "cuda:0".
    """
    kind = torch.device(name).type
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if kind != "cpu" and not available.get(kind, False):
        log.info("trained on %s, which is not available here: measuring on the CPU", kind)
    return torch.device(kind if available.get(kind, False) else "cpu")


def facts_of_training(
    facts: dict[str, Any], model: PreTrainedModel, meta: dict[str, Any], device: torch.device
) -> dict[str, Any]:
    """Returns the facts written next to the measured figures.

    Nothing in them differs between two runs on the same kind of machine.

    Args:
        facts: models/weights/facts.json.
        model: a transformers model with these weights.
        meta: data/tokens/meta.json.
        device: the device that measured.
    """
    kept = ("steps", "tokens", "epochs", "threads", "processes", "precision", "processor")
    return {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "val_documents": meta["val"]["documents"],
        "val_bytes": meta["val"]["bytes"],
        **{key: facts[key] for key in kept},
        "evaluated_on": processor(device),
    }


def write_page(path: Path, text: str) -> None:
    """Writes a page of text."""
    with atomic_write(path, "w") as file:
        file.write(text)
