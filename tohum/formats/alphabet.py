"""The byte alphabet of byte-level BPE, as GPT-2 defined it and `tokenizers` keeps it.

Each byte is written as one printable character: its Latin-1 character if that is printable,
otherwise a character from U+0100 up. https://github.com/openai/gpt-2/blob/master/src/encoder.py
(bytes_to_unicode)
"""

from tohum.formats.special_tokens import SPECIAL_TOKENS

FIRST_ID = len(SPECIAL_TOKENS) + 256  # of the tokens made by merges


def byte_characters() -> list[str]:
    """Returns the character that stands for each byte, by byte value."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return [chr(byte if byte in printable else next(others)) for byte in range(256)]


def alphabet_order() -> list[int]:
    """Returns the bytes in the order of their ids: by character, as `tokenizers` sorts its
    alphabet.
    """
    characters = byte_characters()
    return sorted(range(256), key=lambda byte: characters[byte])


def byte_ids() -> list[int]:
    """Returns the id of each byte, by byte value: after the special tokens, in the order of the
    alphabet.
    """
    ids = [0] * 256
    for rank, byte in enumerate(alphabet_order()):
        ids[byte] = len(SPECIAL_TOKENS) + rank
    return ids
