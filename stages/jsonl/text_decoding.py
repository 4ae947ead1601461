"""Decodes a file's bytes to the text a model learns from, without losing a letter."""

import codecs
import encodings
import io
import tokenize
from collections.abc import Iterator
from encodings.aliases import aliases
from functools import lru_cache

REPLACEMENT = "\ufffd"
MOST_REPLACED = 0.01  # of the characters; OpenCoder's rule
UTF_8 = "utf-8"
ALIASES = {**aliases, "windows_874": "cp874"}
# Codecs of Python for text in files. Others rewrite what is already text (punycode in quadratic
# time, unicode_escape, utf_7, hz), or depend on the machine (mbcs, oem).
CODE_PAGES = (
    *(437, 720, 737, 775, 850, 852, 855, 856, 857, 858, 860, 861, 862, 863, 864, 865, 866, 869),
    *(874, 932, 949, 950, 1006, 1125, 1250, 1251, 1252, 1253, 1254, 1255, 1256, 1257, 1258),
    *("037", 273, 424, 500, 875, 1026, 1140),  # EBCDIC
)
TEXT_ENCODINGS = frozenset(
    {
        *("ascii", "utf_8", "utf_8_sig", "utf_16", "utf_16_be", "utf_16_le"),
        *("utf_32", "utf_32_be", "utf_32_le", "latin_1"),
        *(f"iso8859_{part}" for part in range(1, 17) if part != 12),
        *(f"cp{page}" for page in CODE_PAGES),
        *("mac_arabic", "mac_croatian", "mac_cyrillic", "mac_farsi", "mac_greek", "mac_iceland"),
        *("mac_latin2", "mac_roman", "mac_romanian", "mac_turkish"),
        *("koi8_r", "koi8_t", "koi8_u", "kz1048", "ptcp154", "hp_roman8", "palmos", "tis_620"),
        *("gb2312", "gbk", "gb18030", "big5", "big5hkscs"),
        *("shift_jis", "shift_jis_2004", "shift_jisx0213"),
        *("euc_jp", "euc_jis_2004", "euc_jisx0213"),
        *("iso2022_jp", "iso2022_jp_1", "iso2022_jp_2", "iso2022_jp_2004", "iso2022_jp_3"),
        *("iso2022_jp_ext", "euc_kr", "johab", "iso2022_kr"),
    }
)
SHOWN = 40  # characters of a name in a message


class Undecodable(Exception):
    """No encoding that the file plausibly has decodes it."""


def decode(content: bytes, encoding: str | None, path: str) -> str:
    """Decodes strictly: in the encoding its source names, in UTF-8 (a BOM is dropped), or in the
    one a Python file declares (PEP 263). If its source names an encoding and none of these fits, up
    to 1 % of the characters may be replaced.

    Raises:
        Undecodable: none of these works.
    """
    named = known_encoding(encoding)
    for candidate in _candidates(content, named, path):
        try:
            return _whole(content.decode(candidate), candidate)
        except UnicodeError:
            continue
    if named is None:
        known = "an encoding that it declares"
        raise Undecodable(f"neither UTF-8 nor {encoding[:SHOWN] if encoding else known}")
    try:
        text = _whole(content.decode(named, errors="replace"), named)
    except UnicodeError as error:
        raise Undecodable(f"not {encoding}: {error}") from None
    replaced = text.count(REPLACEMENT)
    if replaced > MOST_REPLACED * len(text):
        raise Undecodable(f"{replaced} of {len(text)} characters are not {encoding}")
    return text


def _candidates(content: bytes, named: str | None, path: str) -> Iterator[str]:
    """Yields the encodings to try; a file's declaration is looked up only when needed."""
    if named is not None:
        yield named
    yield UTF_8
    if path.endswith((".py", ".pyi")) and (declared := declared_encoding(content)) is not None:
        yield declared


def _whole(text: str, encoding: str) -> str:
    """Returns the text without its BOM.

    Raises:
        UnicodeError: it has lone surrogates (from unicode_escape, say), which UTF-8 cannot encode.
    """
    if encoding != UTF_8:
        text.encode()
    return text.removeprefix("\ufeff")


@lru_cache(maxsize=1024)
def known_encoding(name: str | None) -> str | None:
    """Returns Python's name for an encoding, or None if it is not one of TEXT_ENCODINGS."""
    found = encodings.normalize_encoding(name or "").lower()
    found = ALIASES.get(found, found)
    return codecs.lookup(found).name if found in TEXT_ENCODINGS else None


def declared_encoding(content: bytes) -> str | None:
    """Returns the encoding that a Python file declares in its first two lines."""
    try:
        return known_encoding(tokenize.detect_encoding(io.BytesIO(content).readline)[0])
    except (SyntaxError, LookupError):
        return None


def normalise(text: str) -> str:
    """Returns the text with line feeds as its only line ends; nothing else changes."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
