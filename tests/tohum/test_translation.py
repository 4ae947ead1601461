"""Messages in the user's language: which it is, and what becomes of a message's values."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PROJECT
from tohum import translation
from tohum.translation import language, translated, translated_label

VARIABLES = ("TOHUM_LANG", "LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")


@pytest.fixture
def turkish(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOHUM_LANG", "tr")
    translation._catalogue.cache_clear()
    monkeypatch.setattr(translation, "_catalogue", translation._catalogue.__wrapped__)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "en"),
        ({"LANG": "tr_TR.UTF-8"}, "tr"),
        ({"LANG": "en_US.UTF-8"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "tr_TR.UTF-8", "LC_MESSAGES": "en_US.UTF-8"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "tr_TR.UTF-8"}, "tr"),
        ({"LANG": "en_US.UTF-8", "LANGUAGE": "tr:en"}, "tr"),
        ({"LANG": "de_DE.UTF-8", "LANGUAGE": "de:tr"}, "tr"),
        ({"LANG": "tr_TR.UTF-8", "LC_ALL": "C"}, "en"),  # what scripts set
        ({"LANGUAGE": "tr", "LC_ALL": "C.UTF-8"}, "en"),
        ({"LANG": "tr_TR.UTF-8", "TOHUM_LANG": "en"}, "en"),
        ({"LANG": "en_US.UTF-8", "TOHUM_LANG": "tr"}, "tr"),
        ({"LANG": "tr_TR.UTF-8", "TOHUM_LANG": "xx"}, "en"),
        ({"TOHUM_LANG": "", "LANG": "tr_TR"}, "tr"),
        ({"TOHUM_LANG": "Turkish_Türkiye.1254"}, "tr"),  # a locale as Windows names it
    ],
)
def test_the_language_is_the_one_chosen_or_that_of_the_system(
    variables: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert language() == expected


def test_english_loads_no_catalogue_and_changes_nothing() -> None:
    code = (
        "import sys; from tohum.translation import translated;"
        "print(translated('{a} is missing.'), 'gettext' in sys.modules)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout == "{a} is missing. False\n"


@pytest.mark.usefixtures("turkish")
class TestInTurkish:
    def test_keys_and_values_stay(self) -> None:
        text = "train.steps is 0, expected at least 1."
        assert translated(text) == "train.steps değeri 0, en az 1 olmalı."

    def test_a_message_in_a_message_is_translated_too(self) -> None:
        told = translated("error: unknown key 'train.stepz'. Did you mean 'steps'?")
        assert told == ("hata: 'train.stepz' diye bir anahtar yok. Bunu mu demek istedin: 'steps'?")

    def test_messages_in_lines_are_translated_one_by_one(self) -> None:
        told = translated("params.yaml is empty.\n  next line right\nsomething else")
        assert told == "params.yaml boş.\n  sonraki satır doğru\nsomething else"

    def test_a_list_of_reasons_keeps_its_counts(self) -> None:
        told = translated("12 documents, 1.5 MB; left out: 3 duplicate, 1 no text")
        assert told == "12 belge, 1.5 MB; dışarıda bırakılan: 3 yinelenen, 1 metin yok"

    def test_a_value_in_quotes_or_in_a_command_stays_even_where_it_is_a_message(self) -> None:
        assert translated("no text in 'no text'") == "'no text' içinde metin yok"
        told = translated("train is missing. Run `dvc repro train`.")
        assert told == "train yok. `dvc repro train` çalıştır."

    def test_braces_in_a_value_stay(self) -> None:
        assert translated("no text in '{content} {{x}}'") == "'{content} {{x}}' içinde metin yok"

    def test_a_column_keeps_its_width(self) -> None:
        assert translated_label("all     ") == "hepsi   "

    def test_text_that_is_no_message_stays(self) -> None:
        text = "Traceback: something of a library; it's not ours. {x}\n\n  And more\n"
        assert translated(text) == text
        assert translated("") == ""
        assert translated_label("my_column") == "my_column"


def test_the_catalogue_belongs_to_the_package() -> None:
    text = (PROJECT / "pyproject.toml").read_text("utf-8")
    assert "locale/*/LC_MESSAGES/*.mo" in text
    assert Path(translation.LOCALE, "tr/LC_MESSAGES/tohum.mo").is_file()
