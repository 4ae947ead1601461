"""Maps columns of any name to the fields of texts and conversations."""

from tohum.fields.mapping import Fields, Mapped, compile_fields
from tohum.fields.proposal import Proposal, as_override, describe

__all__ = ["Fields", "Mapped", "Proposal", "as_override", "compile_fields", "describe"]
