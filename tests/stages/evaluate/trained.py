"""What the stage evaluate reads, made tiny: the weights of a network that has learnt nothing."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from stages.compose.checking import check
from stages.evaluate.config import Evaluate
from tests.tiny import configuration, model_and_train, write_training_inputs
from tohum.files import file_sha256, fresh
from tohum.formats.tokenizer import load_tokenizer
from tohum.model.determinism import set_determinism
from tohum.model.network import Network
from tohum.model.weights import write_weights


def evaluate_section(*overrides: str) -> Evaluate:
    """The section `evaluate`, with completions of a few tokens."""
    short = (
        "evaluate.completion_places=2",
        "evaluate.completion_tokens=8",
        "evaluate.parse_tokens=8",
    )
    section = check(configuration(*short, *overrides)).evaluate
    assert isinstance(section, Evaluate)
    return section


def write_trained(root: Path, prompts: str = "def\n---\nimport\n") -> None:
    """Writes a tokenizer, tokens, prompts, and weights as if trained on them."""
    write_training_inputs(root)
    (root / "conf").mkdir()
    (root / "conf/prompts.txt").write_text(prompts, encoding="utf-8")
    write_random_weights(root)


def write_random_weights(root: Path, *overrides: str, **facts: Any) -> Network:
    """Writes a models/weights of random weights for the tokens that are in a project."""
    model, train = model_and_train("model.initializer_range=0.2", *overrides)
    set_determinism(train.seed, train.threads)
    tokenizer = load_tokenizer(root / "models/tokenizer")
    network = Network(model, tokenizer.get_vocab_size())
    known = {
        "model": asdict(model),
        "train": asdict(train),
        "steps": 6,
        "tokens": 384,
        "epochs": 0.25,
        "threads": train.threads,
        "processes": 1,
        "precision": "float32",
        "device": "cpu",
        "processor": "x86_64 test",
        "tokens_meta_sha256": file_sha256(root / "data/tokens/meta.json"),
    }
    write_weights(fresh(root / "models/weights"), network.state_dict(), {**known, **facts})
    return network.eval()
