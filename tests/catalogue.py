"""The catalogue of Turkish messages, tohum/locale/tr/LC_MESSAGES/tohum.po, and its compiled .mo.

Run `python -m tests.catalogue` after a change of messages: it brings both files up to date with the
code and lists what has no translation yet. tests/test_catalogue.py checks that nothing is missing.
"""

import argparse
import io
import re
import sys
from datetime import UTC, datetime
from functools import cache
from gettext import GNUTranslations

from babel.messages import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from tests.messages import messages
from tohum.translation import LOCALE, Catalogue

PO = LOCALE / "tr" / "LC_MESSAGES" / "tohum.po"
HEADER = "# The messages of tohum in Turkish. `python -m tests.catalogue` keeps it up to date."
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)  # so that equal catalogues are equal files
NOT_SAID = re.compile(
    rb'^"(POT-Creation|PO-Rev|Report-|Last-|Language-Team|Generated)[^\n]*\n', re.M
)


def read_catalogue() -> Catalog:
    """The catalogue as it is committed."""
    return read_po(io.BytesIO(PO.read_bytes()), locale="tr", domain="tohum")


@cache
def turkish() -> Catalogue:
    """The compiled catalogue, as the program has it in Turkish."""
    compiled = GNUTranslations(io.BytesIO(PO.with_suffix(".mo").read_bytes()))
    return Catalogue(vars(compiled)["_catalog"])


def current_catalogue() -> Catalog:
    """The messages that the code has now, with the translations that the catalogue has of them.

    A translation whose message is gone stays in the file as a comment, for when it comes back.
    """
    known = read_catalogue()
    kept = {
        (message.id, message.context): message
        for message in (*known, *known.obsolete.values())
        if message.id and message.string
    }
    current = Catalog(
        "tr",
        "tohum",
        HEADER,
        "tohum",
        "0",
        fuzzy=False,
        creation_date=LONG_AGO,
        revision_date=LONG_AGO,
    )
    for message in messages():
        before = kept.pop((message.text, message.context), None)
        told = before or current.get(message.text, message.context)
        current.add(
            message.text,
            told.string if told else "",
            locations=[(message.file, 0)],
            context=message.context,
        )
    for message in kept.values():
        current.obsolete[message.id, message.context] = message
    return current


def po_of(catalogue: Catalog) -> bytes:
    """The file of a catalogue. It names files without lines, which change all the time."""
    file = io.BytesIO()
    write_po(file, catalogue, width=100, include_lineno=False)
    return NOT_SAID.sub(b"", file.getvalue())


def mo_of(catalogue: Catalog) -> bytes:
    """The compiled catalogue, as the program reads it."""
    file = io.BytesIO()
    write_mo(file, catalogue)
    return file.getvalue()


def untranslated(catalogue: Catalog) -> list[str]:
    """The messages that have no translation, each with its file."""
    return [
        f"{message.locations[0][0]}: {message.id!r}"
        for message in catalogue
        if message.id and not message.string
    ]


def main() -> int:
    """Updates the files and returns the exit code: 1 if a translation is missing."""
    argparse.ArgumentParser("tests.catalogue", description=__doc__).parse_args()
    catalogue = current_catalogue()
    PO.write_bytes(po_of(catalogue))
    PO.with_suffix(".mo").write_bytes(mo_of(catalogue))
    missing = untranslated(catalogue)
    print(*missing, f"{len(catalogue)} messages, {len(missing)} without a translation", sep="\n")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
