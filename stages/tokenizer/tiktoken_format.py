"""tokenizer.tiktoken: the tokens as tiktoken reads them, one line of base64 and rank for each.

A token's rank is its id, so ids are the same everywhere. tiktoken needs the pattern and the special
tokens in addition to the file:

    from tiktoken.load import load_tiktoken_bpe
    ranks = load_tiktoken_bpe("models/tokenizer/tokenizer.tiktoken")
    encoding = tiktoken.Encoding("tohum", pat_str=..., mergeable_ranks=ranks, special_tokens=...)

https://github.com/openai/tiktoken/blob/main/tiktoken/load.py
"""

from base64 import b64encode
from pathlib import Path

from tohum.files import atomic_write
from tohum.formats.special_tokens import SPECIAL_TOKENS


def write_tiktoken(path: Path, tokens: list[bytes]) -> None:
    """Writes all tokens except the special ones, in the order of their ids; `tokens` holds the
    bytes of each, by id.
    """
    with atomic_write(path) as file:
        for id in range(len(SPECIAL_TOKENS), len(tokens)):
            file.write(b64encode(tokens[id]) + b" %d\n" % id)
