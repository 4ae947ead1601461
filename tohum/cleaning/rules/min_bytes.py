"""`min_bytes` drops short documents."""

from dataclasses import dataclass

from tohum.cleaning.documents import Check, Reason, TextDocument
from tohum.config.sections import limits
from tohum.formats.outcomes import TOO_SHORT


@dataclass
class MinBytes:
    """Bytes of UTF-8."""

    min_bytes: int = limits(minimum=1)


def check(keys: MinBytes) -> Check:
    """Returns the rule; it is always on."""

    def reject(document: TextDocument) -> Reason | None:
        return Reason(TOO_SHORT) if document.size < keys.min_bytes else None

    return reject
