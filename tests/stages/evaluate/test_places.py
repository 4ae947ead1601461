from pathlib import Path

from stages.evaluate.places import LONGEST_LINE, HeldOutText, choose_places, identifiers, sources
from tests.stages.evaluate.test_examination import LANGUAGES, TEXTS
from tests.tiny import documents, module_sources, write_tiny_tokenizer, write_tokens
from tohum.formats.tokenizer import load_tokenizer
from tohum.formats.tokens import read_split

CODE = module_sources(("bisect", "glob"))
SOURCES = [HeldOutText(str(number), text, "Python") for number, text in enumerate(CODE)]


def test_a_place_is_a_whole_line_that_is_not_the_first_blank_or_long() -> None:
    for place in choose_places(SOURCES, 10_000):
        assert place.before.endswith("\n")
        assert place.after.startswith("\n")
        assert "\n" not in place.line
        assert 2 <= len(place.line.strip()) <= LONGEST_LINE
        assert place.before + place.line + place.after in CODE
    lines = [line for text in CODE for line in text.splitlines()[1:]]
    usable = [line for line in lines if 2 <= len(line.strip()) <= LONGEST_LINE]
    assert len(choose_places(SOURCES, 10_000)) == len(usable)


def test_more_places_are_the_same_and_others_in_whatever_order_the_documents_come() -> None:
    few, many = choose_places(SOURCES, 5), choose_places(SOURCES[::-1], 20)
    assert many[:5] == few
    assert len({(place.before, place.line) for place in many}) == 20


def test_places_are_the_same_for_two_tokenizers(tmp_path: Path) -> None:
    found = []
    for vocab_size in (280, 400):
        root = tmp_path / str(vocab_size)
        write_tiny_tokenizer(root / "tokenizer", vocab_size)
        write_tokens(root / "tokens", root / "tokenizer", documents(20), TEXTS)
        known = [{"id": name, "language": name} for name in map(str, LANGUAGES)]
        split, tokenizer = read_split(root / "tokens", "val"), load_tokenizer(root / "tokenizer")
        found.append(choose_places(sources(split, known, tokenizer), 30))
    assert found[0] == found[1]
    assert len(found[0]) == 30


def test_identifiers_of_python_are_its_names_without_keywords_strings_and_comments() -> None:
    text = 'def f(a):\n    """Text."""\n    return "b" + a.ç  # word\n'
    names = [text[start:end] for start, end in identifiers(text, "Python")]
    assert names == ["f", "a", "a", "ç"]
    assert identifiers("x = '''", "Python") == [(0, 1)]
    other = "if (a1) {"
    assert [other[start:end] for start, end in identifiers(other, "C")] == ["if", "a1"]
