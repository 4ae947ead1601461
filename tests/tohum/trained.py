"""A models/lm of random weights, made as the pipeline makes it."""

from pathlib import Path

from stages.evaluate.export import transformers_model
from tests.tiny import model_and_train, write_tiny_tokenizer
from tohum.model.determinism import set_determinism


def write_language_model(folder: Path) -> Path:
    """Writes a models/lm with a context of 32 tokens."""
    write_tiny_tokenizer(folder)
    config, run = model_and_train("model.context_length=32", "model.initializer_range=0.3")
    set_determinism(run.seed, run.threads)
    transformers_model(config, vocab_size=300).save_pretrained(folder)
    return folder
