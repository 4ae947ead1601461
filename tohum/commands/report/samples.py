"""Completes three prompts that a code model should be able to continue."""

import textwrap
from dataclasses import replace
from pathlib import Path

from tohum.commands.generate.options import read_options
from tohum.inference import load_language_model
from tohum.translation import translated

PROMPTS = ("import os\nimport ", "def __init__(self, ", "class Error(Exception):\n")
NEW_TOKENS = 48


def samples(root: Path) -> str:
    """Returns the completions of the three prompts as text, the same for the same model."""
    model = load_language_model(root / "models" / "lm")
    sampling = replace(read_options("generate", []).sampling, max_new_tokens=NEW_TOKENS)
    texts = [prompt + "".join(model.complete(prompt, sampling)) for prompt in PROMPTS]
    parts = [
        translated(f"Completion of {prompt!r}") + "\n" + textwrap.indent(text, "  | ")
        for prompt, text in zip(PROMPTS, texts, strict=True)
    ]
    return "\n" + "\n\n".join(parts)
