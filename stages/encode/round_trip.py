"""Checks that texts, and bytes that are not text, come back from their ids.

A text is decoded with `tokenizers`, as users decode. Bytes that are not UTF-8 can't be: their valid
parts are encoded as text, every other byte is its own token, and each token stands for its bytes.
"""

import hashlib
import re
from dataclasses import astuple, dataclass

from tokenizers import Tokenizer as HuggingFaceTokenizer

from stages.encode.encoder import EncodeTexts
from tohum.formats.alphabet import byte_characters
from tohum.formats.tokenizer import token_bytes
from tohum.kernels.arrays import Array

# How much of a text is damaged for the test: at most so many bytes, one in so many replaced.
DAMAGED_BYTES, DAMAGED_STEP = 1024, 16
INVALID = re.compile("([\udc80-\udcff]+)")  # bytes that are not UTF-8, by surrogateescape (PEP 383)


@dataclass
class RoundTrips:
    """How many texts, and strings of invalid bytes, were tried, and how many came back."""

    texts: int = 0
    texts_back: int = 0
    invalid: int = 0
    invalid_back: int = 0

    def add(self, other: "RoundTrips") -> None:
        """Adds the trips of another part."""
        sums = [one + more for one, more in zip(astuple(self), astuple(other), strict=True)]
        self.texts, self.texts_back, self.invalid, self.invalid_back = sums

    def metrics(self) -> dict[str, int | float]:
        """Returns how many texts were tried, and what shares came back."""
        return {
            "texts": self.texts,
            "texts_back": round(self.texts_back / max(self.texts, 1), 6),
            "invalid_utf8_back": round(self.invalid_back / max(self.invalid, 1), 6),
        }


class ByteTokenizer:
    """Encodes and decodes any bytes with a byte-level tokenizer; threads may share it."""

    def __init__(self, tokenizer: HuggingFaceTokenizer, encode: EncodeTexts) -> None:
        self.tokens = token_bytes(tokenizer)
        self.byte_ids = [tokenizer.token_to_id(character) for character in byte_characters()]
        self.tokenizer, self.encode_texts = tokenizer, encode

    def encode(self, data: bytes) -> list[int]:
        """Returns the ids of any bytes."""
        pieces = INVALID.split(data.decode(errors="surrogateescape"))
        ids: list[int] = []
        for number, of_text in enumerate(self.encode_texts(pieces[::2])):
            ids += of_text.tolist()
            invalid = "".join(pieces[2 * number + 1 : 2 * number + 2])
            found = [self.byte_ids[byte] for byte in invalid.encode(errors="surrogateescape")]
            ids += [
                id for id in found if id is not None
            ]  # a byte without a token is lost, which the metrics show
        return ids

    def decode(self, ids: list[int]) -> bytes:
        """Returns the bytes that the ids stand for."""
        return b"".join(self.tokens[id] for id in ids)

    def there_and_back(self, text: str, ids: Array, seed: str) -> RoundTrips:
        """Tries a text, whose ids are given, and its beginning with some bytes replaced."""
        data = damaged(text, seed)
        text_back = self.tokenizer.decode(ids.tolist(), skip_special_tokens=False) == text
        return RoundTrips(1, int(text_back), 1, int(self.decode(self.encode(data)) == data))


def damaged(text: str, seed: str) -> bytes:
    """Returns the beginning of a text with some bytes replaced, so it is not valid UTF-8."""
    data = bytearray(text.encode()[:DAMAGED_BYTES])
    noise = hashlib.sha256(seed.encode()).digest()
    for number, at in enumerate(range(0, len(data), DAMAGED_STEP)):
        data[at] = noise[number % len(noise)] | 0x80
    return bytes(data) + b"\xff"
