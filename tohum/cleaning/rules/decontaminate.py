"""`decontaminate` drops documents that contain a test set's problem (see decontamination.py)."""

from dataclasses import dataclass

from tohum.cleaning.documents import Check, Reason, TextDocument
from tohum.config.sections import limits

CONTAMINATED = "holds a problem of a test set"


@dataclass
class Decontaminate:
    """Test sets: `humaneval`, or files that `python -m tohum.cleaning.decontamination` wrote."""

    decontaminate: list[str] = limits()


def check(keys: Decontaminate) -> Check | None:
    """Returns the rule.

    Raises:
        UserError: there is no such test set.
    """
    if not keys.decontaminate:
        return None

    from tohum.cleaning.decontamination import load

    sets = [load(name) for name in keys.decontaminate]

    def reject(document: TextDocument) -> Reason | None:
        for problems in sets:
            if found := problems.match(document.text):
                return Reason(CONTAMINATED, found)
        return None

    return reject
