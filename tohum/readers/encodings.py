"""Which encoding a file of text is in, by evidence that can be told.

UTF-8 proves itself: text in a single-byte encoding hardly ever forms its sequences. Windows-1254
(Turkish) and windows-1252 (Western) differ in six letters and two more bytes, and nowhere else
(unicode.org, Public/MAPPINGS/VENDORS/MICSFT/WINDOWS), so that these decide.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy

from tohum.errors import UserError

BOMS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
TURKISH = b"\xd0\xdd\xde\xf0\xfd\xfe"  # ĞİŞğış, and ÐÝÞðýþ in windows-1252
SHARED = "ÇÖÜçöüÂÎÛâîû".encode("cp1254")  # of Turkish, but at the same bytes in both
UNDEFINED = b"\x81\x8d\x8f\x90\x9d"  # in both
UNDEFINED_1254 = b"\x8e\x9e"  # Ž and ž in windows-1252
FIRST_LETTER = 0xC0
CLEAR = 4  # times as much evidence for one as for the other
# Of the letters above ASCII so many stand right after another one in the texts of chatterbot-corpus
# 1.3.3: 11 % in Turkish, at most 12 % in Western languages, and in Cyrillic, Hebrew, Arabic, Thai,
# Chinese and Korean encodings 37 to 81 %.
MOST_ADJACENT = 0.25
FEW_ADJACENT = 10
MOST_DAMAGED = 0.1  # of the sequences: more than a damaged line here and there is no UTF-8


@dataclass
class Evidence:
    """What the bytes of a file say: how many sequences are UTF-8, how many bytes can't be, and how
    often each byte stands there.
    """

    sequences: int = 0
    damaged: int = 0
    zeros: list[int] = field(default_factory=lambda: [0, 0])  # at even and at odd places
    adjacent: int = 0  # letters above ASCII right after another one
    counts: Any = field(default_factory=lambda: numpy.zeros(256, numpy.int64))

    def of(self, letters: bytes) -> int:
        """Returns how often any of these bytes occurs."""
        return int(self.counts[list(letters)].sum())


def find_encoding(chunks: Iterable[bytes], name: str) -> tuple[str, str]:
    """Returns the encoding of a text by its bytes, and a note that tells how sure it is.

    Args:
        chunks: the file, or as much of it as should be looked at.
        name: the file, for messages.

    Raises:
        UserError: no encoding can be told from the others.
    """
    start, evidence = _gather(chunks)
    for bom, encoding in BOMS.items():
        if start.startswith(bom):
            return encoding, f"encoding {encoding}: by its byte order mark"
    if sum(evidence.zeros) > int(evidence.counts.sum()) // 5:
        little = evidence.zeros[1] > evidence.zeros[0]
        encoding = "utf-16-le" if little else "utf-16-be"
        return encoding, f"encoding {encoding}: every other byte is zero, and there is no mark"
    if not evidence.sequences and not evidence.damaged:
        return "utf-8", "encoding utf-8: all of it is ASCII"
    if evidence.damaged <= MOST_DAMAGED * evidence.sequences:
        damage = f", {evidence.damaged} bytes are damaged" if evidence.damaged else ""
        return "utf-8", f"encoding utf-8: {evidence.sequences} sequences hold{damage}"
    return _single_byte(evidence, name)


def _gather(chunks: Iterable[bytes]) -> tuple[bytes, Evidence]:
    """Counts over all chunks; a sequence that two of them share is not torn apart."""
    start, rest, evidence, place = b"", b"", Evidence(), 0
    for chunk in chunks:
        start = start or chunk[:4]
        piece = rest + chunk
        end = _sequence_end(piece)
        rest, piece = piece[end:], piece[:end]
        _count(piece, place, evidence)
        place += len(piece)
    _count(rest, place, evidence)
    return start, evidence


def _sequence_end(piece: bytes) -> int:
    """Returns where the last whole sequence ends, should this be UTF-8."""
    for back in range(1, min(4, len(piece)) + 1):
        byte = piece[-back]
        if byte < 0x80:
            break
        if byte >= FIRST_LETTER:
            return len(piece) - back
    return len(piece)


def _count(piece: bytes, place: int, evidence: Evidence) -> None:
    values = numpy.frombuffer(piece, numpy.uint8)
    if b"\0" in piece:
        for parity in (0, 1):
            evidence.zeros[(place + parity) % 2] += int((values[parity::2] == 0).sum())
    letters = values >= FIRST_LETTER
    if _is_utf_8(piece):
        evidence.sequences += int(letters.sum())
        evidence.counts[ord(" ")] += len(piece)  # which bytes they are decides nothing here
        return
    evidence.counts += numpy.bincount(values, minlength=256)
    evidence.adjacent += int((letters[1:] & letters[:-1]).sum())
    text = piece.decode("utf-8", "surrogateescape")
    codes = numpy.frombuffer(text.encode("utf-32-le", "surrogatepass"), numpy.uint32)
    damaged = int(((codes >= 0xDC80) & (codes <= 0xDCFF)).sum())
    evidence.damaged += damaged
    evidence.sequences += int((codes >= 0x80).sum()) - damaged


def _is_utf_8(piece: bytes) -> bool:
    try:
        return piece.isascii() or bool(piece.decode("utf-8"))
    except UnicodeDecodeError:
        return False


def _single_byte(evidence: Evidence, name: str) -> tuple[str, str]:
    """Chooses between windows-1254 and windows-1252, the only ones that are looked for."""
    letters = int(evidence.counts[FIRST_LETTER:].sum())
    undefined = evidence.of(UNDEFINED)
    side_by_side = evidence.adjacent > max(FEW_ADJACENT, MOST_ADJACENT * letters)
    if undefined > evidence.damaged // 100 or side_by_side:
        raise UserError(
            f"{name} is not UTF-8, and neither windows-1254 (Turkish) nor windows-1252 (Western): "
            f"{undefined} bytes are no letter in either, {evidence.adjacent} of {letters} letters "
            "above ASCII stand side by side. Name its encoding (jsonl.encoding=cp857 is Turkish "
            "DOS, cp1251 Cyrillic), or save it as UTF-8."
        )
    turkish = evidence.of(TURKISH)
    foreign = letters - turkish - evidence.of(SHARED) + CLEAR * evidence.of(UNDEFINED_1254)
    told = f"{turkish} letters are one of ĞİŞğış (ÐÝÞðýþ in cp1252), {foreign} are not of Turkish"
    if not turkish:
        return "cp1252", f"encoding cp1252: not UTF-8; {told}"
    if turkish > CLEAR * foreign:
        return "cp1254", f"encoding cp1254: not UTF-8; {told}"
    if foreign > CLEAR * turkish:
        return "cp1252", f"encoding cp1252: not UTF-8; {told}"
    raise UserError(
        f"{name} is not UTF-8, and it can't be told whether it is Turkish (cp1254) or Western "
        f"(cp1252): {told}. Name it: jsonl.encoding=cp1254 or jsonl.encoding=cp1252."
    )
