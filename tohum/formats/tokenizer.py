"""models/tokenizer: what `tokenizers` and `transformers` load as it lies there."""

from pathlib import Path

from tokenizers import Tokenizer as HuggingFaceTokenizer

from tohum.errors import UserError


def load_tokenizer(folder: Path) -> HuggingFaceTokenizer:
    """Loads a tokenizer that reads special tokens in a text as the characters they are.

    Source code may well contain the text `<|endoftext|>`; only the pipeline itself may put that
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
