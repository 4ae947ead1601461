"""The share of the model's completions that are still Python.

Each prompt is a Python validation document up to its first `def` or `class`. The model completes
it, and the whole lines of prompt and completion are parsed together. Stopping in the middle of
something is not an error.
"""

import ast
import codeop
import re
import warnings
from typing import Any

from tokenizers import Tokenizer

from stages.evaluate.config import Evaluate
from tohum.cached_decoder import Reader
from tohum.decoding import Sampling, as_text, sample, text_prompt
from tohum.formats.tokenizer import token_bytes
from tohum.formats.tokens import TokenSplit

TEMPERATURE = 0.8  # greedy completions loop, and loops parse
FIRST_BLOCK = re.compile(r"^(?:async +)?(?:def|class)\b.*\n", re.MULTILINE)
UNFINISHED_IS_NO_ERROR = (
    codeop.PyCF_ALLOW_INCOMPLETE_INPUT  # type: ignore[attr-defined]  # unknown to typeshed
    | ast.PyCF_ONLY_AST
)


def parse_share(
    reader: Reader,
    tokenizer: Tokenizer,
    split: TokenSplit,
    documents: list[dict[str, Any]],
    config: Evaluate,
) -> float | None:
    """Returns the share of completions that parse, or None without a document to start from.

    Args:
        reader: the model.
        tokenizer: of the model.
        split: the validation documents.
        documents: what is known about each, from `read_documents`.
        config: how many prompts, and how many tokens after each.
    """
    prompts = python_prompts(tokenizer, split, documents, config.parse_prompts)
    if not prompts:
        return None
    vocabulary = token_bytes(tokenizer)
    parsed = 0
    for seed, prompt in enumerate(prompts):
        sampling = Sampling(config.parse_tokens, TEMPERATURE, seed=seed)
        ids = sample(reader, text_prompt(tokenizer, prompt), sampling)
        parsed += parses(prompt + "".join(as_text(ids, vocabulary)))
    return round(parsed / len(prompts), 6)


def python_prompts(
    tokenizer: Tokenizer, split: TokenSplit, documents: list[dict[str, Any]], most: int
) -> list[str]:
    """Returns the openings of up to `most` documents, spread evenly over those in Python."""
    found = []
    for number, document in enumerate(documents):
        if document.get("language") != "Python":
            continue
        text = tokenizer.decode(split.document(number)[1:].tolist(), skip_special_tokens=False)
        first = FIRST_BLOCK.search(text)
        if first and parses(text[: first.end()]):
            found.append(text[: first.end()])
    count = min(most, len(found))
    return [found[place * len(found) // count] for place in range(count)]


def parses(text: str) -> bool:
    """Whether the whole lines of a text are Python, or the start of a longer Python text."""
    lines = text[: text.rfind("\n") + 1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an unknown escape in a string is not an error
        try:
            compile(lines, "<completion>", "exec", UNFINISHED_IS_NO_ERROR, dont_inherit=True)
        except SyntaxError as error:
            return "incomplete input" in str(error)
        except (ValueError, RecursionError, MemoryError):  # a NUL; too many brackets
            return False
    return True
