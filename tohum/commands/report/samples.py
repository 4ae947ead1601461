"""Completes three prompts that a code model should be able to continue. A model that was taught
with conversations answers three held-out questions, and nothing else if it has read no other text.
"""

import textwrap
from dataclasses import replace
from pathlib import Path

from tohum.commands.generate.options import read_options
from tohum.commands.report.continuations import only_conversations, questions
from tohum.commands.report.readable_tokens import printable
from tohum.errors import UserError
from tohum.formats.tokens import read_split
from tohum.inference import LanguageModel, load_language_model
from tohum.translation import translated

PROMPTS = ("import os\nimport ", "def __init__(self, ", "class Error(Exception):\n")
NEW_TOKENS = 48


def samples(root: Path) -> str:
    """Returns the completions and answers as text, the same for the same model."""
    model = load_language_model(root / "models" / "lm")
    sampling = replace(read_options("generate", []).sampling, max_new_tokens=NEW_TOKENS)
    asked, only = _questions(root / "data" / "tokens", model)
    said = [
        (f"Completion of {prompt!r}", prompt + "".join(model.complete(prompt, sampling)))
        for prompt in (() if only else PROMPTS)
    ]
    for question in asked:
        answer = model.answer([{"role": "user", "content": question}], sampling)
        said.append((f"Answer to {question!r}", "".join(answer)))
    parts = [
        translated(head) + "\n" + textwrap.indent(printable(text), "  | ") for head, text in said
    ]
    return "\n" + "\n\n".join(parts)


def _questions(tokens: Path, model: LanguageModel) -> tuple[list[str], bool]:
    """Returns the first questions of held-out conversations, and whether all that is held out is
    such; none where the tokens are not here.
    """
    try:
        held_out = read_split(tokens, "val")
    except (OSError, UserError):
        return [], False
    found = questions(held_out, model.vocabulary, len(PROMPTS))
    return [question for question, _ in found], only_conversations(held_out)
