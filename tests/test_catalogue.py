"""Every message has its Turkish translation, with the same values, and is told from every other."""

from collections.abc import Iterator

from tests.catalogue import PO, current_catalogue, mo_of, po_of, turkish, untranslated
from tests.messages import messages, values_of

UPDATE = "run `python -m tests.catalogue`, and translate in tohum.po what it lists"
CATALOGUE = current_catalogue()


def translations() -> Iterator[tuple[str, str, str | None]]:
    """Each message with its translation and its context."""
    for message in CATALOGUE:
        if message.id:
            yield str(message.id), str(message.string), message.context


def filled(message: str) -> dict[str, str]:
    """Values that are no messages; what a noun is counted by is a number."""
    return {
        name: f"{number} things" if name.startswith("counted") else str(number)
        for number, name in enumerate(sorted(values_of(message)), 71)
    }


def test_the_messages_of_errors_logs_help_and_keys_are_found() -> None:
    found = {message.text for message in messages()}
    assert "unknown key '{name}.{key}'.{nearest}" in found  # an f-string
    assert "{documents} documents, {bytes} MB; left out: {dropped}" in found  # a log's format
    assert "{failed} check failed." in found  # both sides of a condition
    assert "{failed} checks failed." in found
    assert "{one} and no {another}" in found  # what joins a list
    assert "print the version" in found
    assert "sample from this many of the likeliest tokens; 0: all" in found  # in conf/


def test_every_message_has_a_translation() -> None:
    assert untranslated(CATALOGUE) == [], UPDATE


def test_the_files_of_the_catalogue_are_those_of_the_code() -> None:
    assert PO.read_bytes() == po_of(CATALOGUE), UPDATE
    assert PO.with_suffix(".mo").read_bytes() == mo_of(CATALOGUE), UPDATE


def test_a_translation_has_the_values_of_its_message() -> None:
    different = [
        (message, translation)
        for message, translation, _ in translations()
        if values_of(message) != values_of(translation)
    ]
    assert different == []


def test_each_message_is_told_from_every_other() -> None:
    wrong, catalogue = [], turkish()
    for message, translation, context in translations():
        values = filled(message)
        text, expected = message.format(**values), translation.format(**values)
        told = catalogue.value(text, context) if context else catalogue.text(text)
        if told != expected:
            wrong.append((message, told))
    assert wrong == []
