"""The tokenizer as in a GGUF file: entries, merges, and the name of a pretokenizer.

A GGUF file has no room for a pattern: llama.cpp knows fixed ones by name (llm_tokenizer_bpe in its
src/llama-vocab.cpp), and gpt4's is not among them: it cuts digits into groups of one or two, where
llama.cpp has groups of up to three, or single digits. So on 386 files of Python, Markdown and YAML
(2.8 million characters), 0.25 % of the default tokenizer's tokens differ in llama.cpp, all of them
in numbers of three digits or more. With groups of three, and with gpt2, every id was equal.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from tohum.errors import UserError
from tohum.pretokenization.patterns import GPT2_PATTERN, gpt4_pattern

# Where ours has `\s*[\r\n]`, llama.cpp has `\s*[\r\n]+`: both take all whitespace up to its last
# line break. `smaug-bpe` cuts like the better known `llama-bpe`, but always merges; the latter
# takes a word that is an entry as is.
EQUAL = {gpt4_pattern(3): "smaug-bpe", GPT2_PATTERN: "gpt-2"}
NEAREST = {gpt4_pattern(2): "smaug-bpe"}


@dataclass(frozen=True)
class Vocabulary:
    """What llama.cpp builds its tokenizer from."""

    tokens: list[str]  # by id, each byte as GPT-2's character for it
    merges: list[str]  # two tokens separated by a space
    special: set[int]
    pretokenizer: str  # llama.cpp's name
    equal: bool  # whether it cuts text as in training


def read_vocabulary(path: Path) -> Vocabulary:
    """Reads a tokenizer.json of the tokenizer stage.

    Raises:
        UserError: llama.cpp has no pattern like its own.
    """
    described = json.loads(path.read_text(encoding="utf-8"))
    pattern = described["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"]
    name = {**EQUAL, **NEAREST}.get(pattern)
    if name is None:
        raise UserError(
            f"{path} cuts text by the pattern {pattern}, and llama.cpp has none like it: with a "
            "GGUF file the model would see other tokens than it was trained on. Train with "
            f"pretokenizer=gpt2, or with pretokenizer.pattern set to {gpt4_pattern(3)}"
        )
    ids: dict[str, int] = described["model"]["vocab"]
    return Vocabulary(
        tokens=sorted(ids, key=ids.__getitem__),
        merges=[" ".join(pair) for pair in described["model"]["merges"]],
        special={token["id"] for token in described["added_tokens"]},
        pretokenizer=name,
        equal=pattern in EQUAL,
    )
