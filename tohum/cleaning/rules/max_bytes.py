"""`max_bytes` drops long documents."""

from dataclasses import dataclass

from tohum.cleaning.documents import Check, Reason, TextDocument
from tohum.config.sections import limits
from tohum.formats.outcomes import TOO_LONG


@dataclass
class MaxBytes:
    """Bytes of UTF-8."""

    max_bytes: int = limits(minimum=1)


def check(keys: MaxBytes) -> Check:
    """Returns the rule; it is always on."""

    def reject(document: TextDocument) -> Reason | None:
        return Reason(TOO_LONG) if document.size > keys.max_bytes else None

    return reject
