"""Fixed prompts and their likeliest completions, on a page for comparing two models.

conf/prompts.txt has the prompts, separated by lines of `---`.
"""

import re
from pathlib import Path

from tokenizers import Tokenizer

from tohum.cached_decoder import Reader
from tohum.decoding import Sampling, as_text, sample, text_prompt
from tohum.errors import UserError
from tohum.formats.tokenizer import token_bytes

MOST_REPEATS = 3  # as in conf/generate.yaml: without it, small models end in loops
SEPARATOR = "\n---\n"


def read_prompts(path: Path) -> list[str]:
    """Returns the prompts, exactly as they are between the separators.

    Raises:
        UserError: the file is missing.
    """
    if not path.is_file():
        raise UserError(f"{path} is missing. Restore it with `git checkout {path}`.")
    return path.read_text(encoding="utf-8").removesuffix("\n").split(SEPARATOR)


def completions_page(
    reader: Reader, tokenizer: Tokenizer, prompts: list[str], new_tokens: int
) -> str:
    """Returns, as Markdown, the prompts and up to `new_tokens` tokens with which the model
    completes each; a piece may be written up to MOST_REPEATS times in a row.
    """
    vocabulary = token_bytes(tokenizer)
    parts = [f"# The likeliest {new_tokens} tokens after each prompt\n"]
    for prompt in prompts:
        sampling = Sampling(new_tokens, most_repeats=MOST_REPEATS)
        ids = sample(reader, text_prompt(tokenizer, prompt), sampling)
        completion = "".join(as_text(ids, vocabulary))
        parts.append(
            f"## `{(prompt.splitlines() or [''])[-1]}`\n\n{_fenced(prompt + completion)}\n"
        )
    return "\n".join(parts)


def _fenced(text: str) -> str:
    """Returns a block of code whose fence is longer than any in the text."""
    longest = max(map(len, re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"
