from pathlib import Path

import pytest

from tests.tohum.readers.reading import broken_of, rows_of, values_of, write
from tohum.errors import UserError
from tohum.readers import detect

TURKISH = "Işığı söndürüp çıkan öğrenci, yağmurda ıslanmış şapkasını unuttuğunu düşündü."
FRENCH = "Élève très sérieux, où êtes-vous allé cet été avec votre frère aîné, à Noël ?"
GERMAN = "Größere Übungen über die süßen Äpfel am Fluß, schöne Grüße aus München."
ICELANDIC = "Þórður og Guðrún eiga þrjú börn, það er gaman að sjá þau öll í góðu veðri á Íslandi."
RUSSIAN = "Широкая электрификация южных губерний даст мощный толчок подъёму хозяйства."
GREEK = "Ξεσκεπάζω τὴν ψυχοφθόρα βδελυγμία, ταχίστη αλώπηξ βαφής ψημένη γη.".replace("ὴ", "ή")
HEBREW = "דג סקרן שט בים מאוכזב ולפתע מצא חברה איך הקליטה"
DOS = "Işığı söndürüp çıkan öğrenci şapkasını unuttuğunu düşündü."


def csv(path: Path, text: str, encoding: str) -> Path:
    return write(path, f"a;b\r\n1;{text}\r\n", encoding)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [(TURKISH, "cp1254"), (FRENCH, "cp1252"), (GERMAN, "cp1252"), (TURKISH, "utf-8")],
)
def test_the_letters_of_a_file_tell_its_encoding(tmp_path: Path, text: str, encoding: str) -> None:
    path = csv(tmp_path / "a.csv", text, encoding)

    format = detect(path)
    assert format.encoding == encoding
    assert any(note.startswith(f"encoding {encoding}") for note in format.notes)
    assert values_of(path) == [{"a": "1", "b": text}]


def test_turkish_late_in_a_large_file_counts(tmp_path: Path) -> None:
    path = csv(tmp_path / "a.csv", "plain\r\n2;" * 500_000 + TURKISH, "cp1254")

    assert detect(path).encoding == "cp1254"


def test_turkish_in_latin_5_is_read_as_windows_1254(tmp_path: Path) -> None:
    assert values_of(csv(tmp_path / "a.csv", TURKISH, "iso-8859-9")) == [{"a": "1", "b": TURKISH}]


def test_letters_that_are_the_same_in_both_are_read_the_same(tmp_path: Path) -> None:
    assert values_of(csv(tmp_path / "a.csv", "çözüm ölçü", "cp1254")) == [
        {"a": "1", "b": "çözüm ölçü"}
    ]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [(RUSSIAN, "cp1251"), (DOS, "cp857"), (GREEK, "cp1253"), (HEBREW, "cp1255")],
)
def test_what_cannot_be_told_is_asked_and_can_be_named(
    tmp_path: Path, text: str, encoding: str
) -> None:
    path = csv(tmp_path / "a.csv", text, encoding)

    with pytest.raises(UserError, match=r"a\.csv is not UTF-8.*jsonl\.encoding"):
        detect(path)
    assert values_of(path, encoding=encoding) == [{"a": "1", "b": text}]


TEXTS = {
    "Croatian": (
        "Kuća je već čista, ali još uvijek tražim ključ. Možete li reći što će se dogoditi?"
    ),
    "Czech": ("Dnes večer přijdu domů později, protože mám ještě hodně práce. Děkuji, že čekáte."),
    "Estonian": (
        "Täna õhtul tulen koju hiljem, sest mul on veel palju tööd. Aitäh, et ootate mind."
    ),
    "French": (
        "Ce soir, je rentrerai très tard : j'ai été retardé à la gare. Où êtes-vous allés ?"
    ),
    "German": GERMAN,
    "Hungarian": ("Ma este később jövök haza, mert még sok dolgom van. Köszönöm, hogy főztök rám."),
    "Icelandic": ICELANDIC,
    "Italian": ("Perché la città è così bella? Più tardi andrò lì, dove c'è già la libertà."),
    "Latvian": (
        "Šovakar es atnākšu mājās vēlāk, jo man vēl ir daudz darāmā. Paldies, ka mani gaidāt."
    ),
    "Lithuanian": (
        "Šį vakarą grįšiu namo vėliau, nes dar turiu daug darbų. Ačiū, kad manęs laukiate."
    ),
    "Polish": (
        "Dziś wieczorem wrócę później, bo mam jeszcze dużo pracy. Dziękuję, że na mnie czekają."
    ),
    "Portuguese": (
        "Hoje à noite não vou chegar cedo, porque ainda há muita coisa a fazer na estação."
    ),
    "Romanian": ("Astă seară ajung acasă mai târziu, fiindcă am încă mult de lucru. Vă mulţumesc."),
    "Slovak": (
        "Dnes večer prídem domov neskôr, pretože mám ešte veľa práce. Ďakujem, že na mňa čakáte."
    ),
    "Slovene": (
        "Nocoj bom prišel domov pozneje, ker imam še veliko dela. Hvala, da me čakate že dolgo."
    ),
    "Spanish": (
        "Esta noche llegaré más tarde, porque todavía tengo mucho que hacer. ¿Mañana también?"
    ),
    "Swedish": (
        "I kväll kommer jag hem senare, för jag har mycket "
        "att göra på jobbet. Tack för att du är här."
    ),
    "Turkish": TURKISH,
}
CENTRAL = ["Croatian", "Czech", "Hungarian", "Polish", "Romanian", "Slovak", "Slovene"]
TRUTH = [
    *((name, encoding) for name in CENTRAL for encoding in ("cp1250", "iso8859-2")),
    *((name, "cp1257") for name in ("Estonian", "Latvian", "Lithuanian")),
    *((name, encoding) for name in ("French", "German", "Icelandic", "Italian", "Portuguese")
      for encoding in ("cp1252", "iso8859-1", "iso8859-15")),
    *((name, "cp1252") for name in ("Spanish", "Swedish")),
    ("Turkish", "cp1254"),
    ("Turkish", "iso8859-9"),
]  # fmt: skip


@pytest.mark.parametrize(("language", "encoding"), TRUTH)
def test_a_sentence_is_read_as_it_was_written(tmp_path: Path, language: str, encoding: str) -> None:
    text = TEXTS[language]
    assert values_of(csv(tmp_path / "a.csv", text, encoding)) == [{"a": "1", "b": text}]


def has_letters(encoding: str, text: str) -> bool:
    return text.encode(encoding, "ignore").decode(encoding) == text


ALL = ["cp1250", "cp1252", "cp1254", "cp1257", "iso8859-2", "iso8859-9", "iso8859-13", "iso8859-15"]
ENCODABLE = [(name, each) for name in TEXTS for each in ALL if has_letters(each, TEXTS[name])]


@pytest.mark.parametrize(("language", "encoding"), ENCODABLE)
def test_no_sentence_becomes_another_without_a_word(
    tmp_path: Path, language: str, encoding: str
) -> None:
    """In whatever encoding that has its letters: read as it is, or asked."""
    text = TEXTS[language]
    path = csv(tmp_path / "a.csv", text, encoding)
    try:
        assert values_of(path) == [{"a": "1", "b": text}]
    except UserError as asked:
        assert "jsonl.encoding=" in str(asked)


@pytest.mark.parametrize(
    "text",
    [
        "naïve façade",
        "São Paulo, Málaga, Zürich, Åse Øberg, Zoë",
        "\u201cquoted\u201d \u2013 it\u2019s 5 €",
        "résumé",
        "3 m² at 20 °C ± ½",
        "El Niño",
        "© 2024 Müller™",
    ],
)
def test_a_few_foreign_letters_in_english_are_western(tmp_path: Path, text: str) -> None:
    assert values_of(csv(tmp_path / "a.csv", text, "cp1252")) == [{"a": "1", "b": text}]


def test_what_several_encodings_read_equally_well_is_asked_with_the_choices(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        detect(csv(tmp_path / "a.csv", "Beyoğlu", "cp1254"))
    told = str(caught.value)
    assert "several encodings read it equally well" in told
    assert "  jsonl.encoding=cp1254  (bytes 0xf0 are ğ, as in Turkish)" in told
    assert "  jsonl.encoding=cp1252  (bytes 0xf0 are ð, as in Icelandic)" in told


@pytest.mark.parametrize(
    "text", [TURKISH, RUSSIAN, "電気を消して外に出た学生は、雨に濡れた。一二三"]
)
@pytest.mark.parametrize(
    "encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]
)
@pytest.mark.parametrize("marked", [True, False])
def test_utf_16_and_32_are_told_with_and_without_a_mark(
    tmp_path: Path, text: str, encoding: str, marked: bool
) -> None:
    if marked and encoding[-2:] in ("le", "be"):
        text = f"\ufeff{text}"
        content = f"\ufeffa;b\r\n1;{text[1:]}\r\n".encode(encoding)
    else:
        content = f"a;b\r\n1;{text}\r\n".encode(encoding)
    path = write(tmp_path / "a.csv", content)
    assert values_of(path) == [{"a": "1", "b": text.removeprefix("\ufeff")}]
    lines = write(tmp_path / "a.jsonl", f'{{"b": "{text[1:]}"}}\n'.encode(encoding))
    assert values_of(lines) == [{"b": text[1:]}]


def test_utf_8_with_a_few_zero_bytes_is_utf_8(tmp_path: Path) -> None:
    content = "a;b\n" + "değil;\0\n" + "ağaç;x\n" * 50
    assert detect(write(tmp_path / "a.csv", content)).encoding == "utf-8"


def test_what_is_not_a_character_of_utf_32_breaks_its_row(tmp_path: Path) -> None:
    rows = "".join(f'{{"n": {number}}}\n' for number in range(9)).encode("utf-32-le")
    content = rows + b'"\0\0\0\xff\xff\xff\xff"\0\0\0\n\0\0\0' + rows
    path = write(tmp_path / "a.jsonl", content)
    assert [row.number for row in broken_of(path)] == [10]
    assert len(rows_of(path)) == 19


def test_a_mark_that_the_named_encoding_contradicts_is_told(tmp_path: Path) -> None:
    for mark in ("utf-8-sig", "utf-16", "utf-32"):
        path = csv(tmp_path / "a.csv", TURKISH, mark)
        with pytest.raises(UserError, match=f"mark of {mark}, and jsonl.encoding is cp1254"):
            detect(path, encoding="cp1254")
        assert values_of(path, encoding=mark) == [{"a": "1", "b": TURKISH}]


def test_a_damaged_line_in_utf_8_does_not_make_it_another_encoding(tmp_path: Path) -> None:
    content = f"a;b\r\n1;{'değil' * 100}\r\n2;".encode() + b"\xf0\xfe\r\n"

    assert detect(write(tmp_path / "a.csv", content)).encoding == "utf-8"


def test_a_sequence_that_two_chunks_share_is_whole(tmp_path: Path) -> None:
    for shift in range(3):
        content = f"a\n{'x' * ((1 << 20) - 6 - shift)}{'ş€😀' * 3}\n"
        format = detect(write(tmp_path / "a.csv", content))
        assert "9 sequences hold" in format.notes[1]
        assert "damaged" not in format.notes[1]


def test_an_unknown_encoding_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"jsonl\.encoding is 'cp12544'"):
        detect(csv(tmp_path / "a.csv", TURKISH, "cp1254"), encoding="cp12544")


@pytest.mark.parametrize("name", ["UTF8", "utf_8", "utf-8-sig", "UTF-16", "windows-1254"])
def test_an_encoding_may_be_named_in_any_way(tmp_path: Path, name: str) -> None:
    encoding = "utf-8-sig" if "8" in name else name
    row = f'{{"b": "{TURKISH}"}}\n'
    path = write(tmp_path / "a.jsonl", row, encoding)

    assert values_of(csv(tmp_path / "a.csv", TURKISH, encoding), encoding=name)[0]["b"] == TURKISH
    assert values_of(path, encoding=name) == [{"b": TURKISH}]
