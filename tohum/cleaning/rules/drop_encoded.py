"""`drop_encoded` drops files that are mostly base64, hexadecimal or escapes (see encoded.py)."""

from dataclasses import dataclass

from tohum.cleaning.documents import Check, Reason, TextDocument, for_code
from tohum.config.sections import limits

ENCODED = "encoded data"


@dataclass
class DropEncoded:
    """Whether the rule is on."""

    drop_encoded: bool = limits()


def check(keys: DropEncoded) -> Check | None:
    """Returns the rule."""
    if not keys.drop_encoded:
        return None

    from tohum.cleaning.encoded import is_encoded

    @for_code
    def reject(document: TextDocument) -> Reason | None:
        return Reason(ENCODED) if is_encoded(document.data) else None

    return reject
