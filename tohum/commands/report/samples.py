"""Three prompts that a model of code should know how to go on from."""

import textwrap
from dataclasses import replace
from pathlib import Path

from tohum.commands.generate.completion import complete, load_model
from tohum.commands.generate.options import read_options

PROMPTS = ("import os\nimport ", "def __init__(self, ", "class Error(Exception):\n")
NEW_TOKENS = 48


def completions(root: Path) -> str:
    """Returns the completions of the three prompts as text, the same for the same model."""
    writer = load_model(root / "models" / "lm")
    options = replace(read_options([]), max_new_tokens=NEW_TOKENS)
    texts = [complete(writer, replace(options, prompt=prompt)) for prompt in PROMPTS]
    parts = [
        f"Completion of {prompt!r}\n{textwrap.indent(text, '  | ')}"
        for prompt, text in zip(PROMPTS, texts, strict=True)
    ]
    return "\n" + "\n\n".join(parts)
