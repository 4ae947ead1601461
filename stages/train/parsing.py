"""The share of the model's completions that are still Python.

Each prompt is a validation document of Python up to its first `def` or `class`. The model goes on
for NEW_TOKENS, and prompt and completion are parsed together, as far as there are whole lines; that
they stop in the middle of something is no error.
"""

import ast
import codeop
import re
import warnings
from typing import Any

from tokenizers import Tokenizer

from tohum.decoding import Sampling, as_text, sample, text_prompt
from tohum.formats.tokenizer import token_bytes
from tohum.formats.tokens import TokenSplit

PROMPTS = 32
NEW_TOKENS = 64
TEMPERATURE = 0.8  # the likeliest tokens alone run in circles, which parse
FIRST_BLOCK = re.compile(r"^(?:async +)?(?:def|class)\b.*\n", re.MULTILINE)
UNFINISHED_IS_NO_ERROR = (
    codeop.PyCF_ALLOW_INCOMPLETE_INPUT  # type: ignore[attr-defined]  # unknown to typeshed
    | ast.PyCF_ONLY_AST
)


def parse_share(
    model: Any, tokenizer: Tokenizer, split: TokenSplit, documents: list[dict[str, Any]]
) -> float | None:
    """Returns the share of the completions that parse, or None without a document to start from.

    Args:
        model: in evaluation mode.
        tokenizer: of the model.
        split: the validation documents.
        documents: what is known of each, of `read_documents`.
    """
    prompts = python_prompts(tokenizer, split, documents)
    if not prompts:
        return None
    vocabulary = token_bytes(tokenizer)
    parsed = 0
    for seed, prompt in enumerate(prompts):
        sampling = Sampling(NEW_TOKENS, TEMPERATURE, seed=seed)
        ids = sample(model, text_prompt(tokenizer, prompt), sampling)
        parsed += parses(prompt + "".join(as_text(ids, vocabulary)))
    return round(parsed / len(prompts), 6)


def python_prompts(
    tokenizer: Tokenizer, split: TokenSplit, documents: list[dict[str, Any]]
) -> list[str]:
    """Returns the starts of up to PROMPTS documents, spread evenly over those of Python."""
    found = []
    for number, document in enumerate(documents):
        if document.get("language") != "Python":
            continue
        text = tokenizer.decode(split.document(number)[1:].tolist(), skip_special_tokens=False)
        first = FIRST_BLOCK.search(text)
        if first and parses(text[: first.end()]):
            found.append(text[: first.end()])
    count = min(PROMPTS, len(found))
    return [found[place * len(found) // count] for place in range(count)]


def parses(text: str) -> bool:
    """Whether the whole lines of a text are Python, be they the start of a longer one."""
    lines = text[: text.rfind("\n") + 1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an odd escape in a string is no error
        try:
            compile(lines, "<completion>", "exec", UNFINISHED_IS_NO_ERROR, dont_inherit=True)
        except SyntaxError as error:
            return "incomplete input" in str(error)
        except (ValueError, RecursionError, MemoryError):  # a NUL; too many brackets
            return False
    return True
