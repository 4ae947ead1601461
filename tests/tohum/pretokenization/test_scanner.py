import itertools
from collections.abc import Callable

import numpy
import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, pre_tokenizers

from tests.tiny import MODULES, module_sources, pattern
from tohum.pretokenization.classes import ASSIGNED_PLANES, CODE_POINTS, OTHER, classes
from tohum.pretokenization.patterns import KNOWN_PATTERNS
from tohum.pretokenization.scanner import cut

PRESETS = ("gpt4", "gpt2")
FRAGMENTS = (
    *(" ", "  ", "    ", "\n", "\r\n", "\r", "\t", "\u00a0", "\u2028", "\x1c", "\x85"),
    *("def ", "self.x", "__init__", "():", "'s", "'LL", "'Ve", "'\u017f", '"""', "# ", "!=", "->"),
    *("0", "123", "1_000", "0xff", "\u00bd", "\u0665", "é", "e\u0301", "中文", "\U0001f600"),
    *("\u200d", "'", "\x00"),
)
CHARACTERS = st.characters(exclude_categories=["Cs"])
TEXTS = st.lists(st.sampled_from(FRAGMENTS) | st.text(CHARACTERS, max_size=6), max_size=30).map(
    "".join
)
ALL = [chr(code) for code in range(CODE_POINTS) if not 0xD800 <= code < 0xE000]


def by_tokenizers(pattern: str) -> Callable[[str], list[str]]:
    split = pre_tokenizers.Split(Regex(pattern), "isolated")
    return lambda text: [piece for piece, _ in split.pre_tokenize_str(text)]


def by_kernel(pattern: str, text: str) -> list[str]:
    data = text.encode()
    ends = numpy.empty(len(data), numpy.int64)
    found = cut(numpy.frombuffer(data, numpy.uint8), classes(), KNOWN_PATTERNS[pattern], ends)
    bounds = [0, *ends[:found].tolist()]
    return [data[start:end].decode() for start, end in itertools.pairwise(bounds)]


@pytest.mark.parametrize("preset", PRESETS)
def test_the_pattern_of_a_preset_is_known(preset: str) -> None:
    assert pattern(preset) in KNOWN_PATTERNS


@pytest.mark.parametrize("preset", PRESETS)
@settings(deadline=None, max_examples=500)
@given(text=TEXTS)
def test_text_is_cut_as_tokenizers_cuts_it(preset: str, text: str) -> None:
    assert by_kernel(pattern(preset), text) == by_tokenizers(pattern(preset))(text)


@pytest.mark.parametrize("preset", PRESETS)
@settings(deadline=None, max_examples=500)
@given(text=st.text("ab'sSlLvVeE  \n\r\t01é\u00a0\u017f.;", max_size=14))
def test_short_text_of_few_characters_is_cut_as_tokenizers_cuts_it(preset: str, text: str) -> None:
    assert by_kernel(pattern(preset), text) == by_tokenizers(pattern(preset))(text)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("form", ["{} ", "'{}x ", " {}1a", "a{}\n"])
def test_every_code_point_is_cut_as_tokenizers_cuts_it(preset: str, form: str) -> None:
    text = "".join(map(form.format, ALL[:0x3000] + ALL[0xA000:0xD800:7] + ALL[0xF000::31]))
    assert by_kernel(pattern(preset), text) == by_tokenizers(pattern(preset))(text)


def test_the_class_of_every_code_point_is_that_of_tokenizers() -> None:
    text = "".join(ALL)
    known = classes()
    for kind, expression in enumerate((r"[^\s\p{L}\p{N}]", r"\p{L}", r"\p{N}", r"\s")):
        split = pre_tokenizers.Split(Regex(f"(?:{expression})+"), "isolated")
        runs = split.pre_tokenize_str(text)
        for piece, _ in runs:
            found = {int(known[ord(character)]) == kind for character in (piece[0], piece[-1])}
            assert len(found) == 1
        inside = {piece[0] for piece, _ in runs if known[ord(piece[0])] == kind}
        assert inside
        marks = numpy.array([known[ord(character)] == kind for character in ALL])
        bounds = {0, *(int(at) + 1 for at in numpy.flatnonzero(numpy.diff(marks)))}
        assert bounds == {span[0] for _, span in runs}
    empty = [plane for plane in range(17) if plane not in ASSIGNED_PLANES]
    assert all((known[plane << 16 : (plane + 1) << 16] == OTHER).all() for plane in empty)


@pytest.mark.parametrize("preset", PRESETS)
def test_source_files_are_cut_as_tokenizers_cuts_them(preset: str) -> None:
    reference = by_tokenizers(pattern(preset))
    for source in module_sources([*MODULES, "argparse", "ast", "enum", "inspect", "tokenize"]):
        assert by_kernel(pattern(preset), source) == reference(source)
        assert regex.findall(pattern(preset), source) == reference(source)


@pytest.mark.parametrize(
    "text", ["x" * 10**6, " " * 10**6, "\n" * 10**6, "'" * 10**6, "é\r" * 10**5]
)
@pytest.mark.parametrize("preset", PRESETS)
def test_long_runs_are_cut_whole(preset: str, text: str) -> None:
    assert by_kernel(pattern(preset), text) == regex.findall(pattern(preset), text)
