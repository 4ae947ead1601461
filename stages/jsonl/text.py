"""From a file's bytes to the text a model learns from: decode without losing a letter, normalise
line ends.
"""

import io
import tokenize


class Undecodable(Exception):
    """No encoding that the file can be said to have decodes it."""


def decode(content: bytes, is_python: bool) -> str:
    """Decodes strictly: UTF-8 (a BOM is dropped), else the encoding that a Python file declares
    (PEP 263).

    Raises:
        Undecodable: neither holds.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    if is_python:
        try:
            encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
            text = content.decode(encoding)
            text.encode()  # unicode_escape decodes to lone surrogates, which UTF-8 cannot hold
            return text
        except (SyntaxError, UnicodeError, LookupError):
            pass
    raise Undecodable


def normalise(text: str) -> str:
    """Returns the text with line ends as a line feed; nothing else changes."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
