"""models/tokenizer: what `tokenizers` and `transformers` load as is, and the tokens' bytes."""

from pathlib import Path

from tokenizers import Tokenizer as HuggingFaceTokenizer

from tohum.errors import UserError
from tohum.formats.alphabet import byte_characters
from tohum.formats.special_tokens import SPECIAL_TOKENS


def load_tokenizer(folder: Path) -> HuggingFaceTokenizer:
    """Loads a tokenizer that reads special tokens in a text as the characters they are.

    Source code may contain the text `<|endoftext|>`; only the pipeline itself may insert that
    token.

    Raises:
        UserError: there is no tokenizer.
    """
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise UserError(f"{path} is missing. Run `dvc repro tokenizer`.")
    tokenizer = HuggingFaceTokenizer.from_file(str(path))
    tokenizer.encode_special_tokens = True
    return tokenizer


def token_bytes(tokenizer: HuggingFaceTokenizer) -> list[bytes]:
    """Returns the bytes of text that each id represents; none for a special token."""
    values = {character: byte for byte, character in enumerate(byte_characters())}
    table = [b""] * tokenizer.get_vocab_size()
    for token, id in tokenizer.get_vocab().items():
        if token not in SPECIAL_TOKENS:
            table[id] = bytes(values[character] for character in token)
    return table
