from pathlib import Path

import pytest
import regex

from stages.evaluate.export import export, write_model
from stages.tokenizer.training import build_tokenizer, write_tokenizer
from tests.tiny import merges_of, model_and_train, module_sources, pattern, pretoken_counts
from tohum.commands.export.gguf_file import caveats, write_gguf
from tohum.commands.export.vocabulary import EQUAL, NEAREST, read_vocabulary
from tohum.errors import UserError
from tohum.formats.alphabet import alphabet_order
from tohum.formats.special_tokens import SPECIAL_TOKENS
from tohum.formats.tokenizer import load_tokenizer
from tohum.model.network import Network
from tohum.pretokenization.patterns import gpt4_pattern

pytestmark = pytest.mark.slow


NUMBERS = "range(1000, 20260, 123)"
TEXTS = [
    *module_sources(),
    NUMBERS,
    "Ağaç, ışık ve İstanbul'da \u200b DON'T don't\r\n\r\n\t\tx\n \n   y  \u00a0z\u3000 ",
    "数字 x²½ Ⅻ 😀👍🏽 e\u0301 <|endoftext|> <|end|> 12 3.4e-56 _a__b",
]


def lm_of(folder: Path, pattern: str) -> Path:
    """A models/lm whose tokenizer cuts text by a pattern."""
    merges = merges_of(pretoken_counts([*module_sources(), "1000 2000 123 12 20 " * 50]), 600)
    tokenizer = build_tokenizer(alphabet_order(), merges, pattern)
    for name in ("tokenizer", "lm"):
        (folder / name).mkdir(parents=True)
    write_tokenizer(folder / "tokenizer", tokenizer, merges)
    config, _ = model_and_train()
    model = export(Network(config, tokenizer.get_vocab_size()).state_dict(), config)
    write_model(model, folder / "lm", folder / "tokenizer")
    return folder / "lm"


@pytest.mark.parametrize("cut", [*EQUAL, *NEAREST], ids=["groups of three", "gpt2", "gpt4"])
def test_llama_cpp_makes_the_same_ids_and_begins_a_text(cut: str, tmp_path: Path) -> None:
    from tests.tohum.commands.export.llama_cpp import load, token_ids

    lm = lm_of(tmp_path, cut)
    write_gguf(lm, tmp_path / "lm.gguf", "float32")
    model, tokenizer = load(tmp_path / "lm.gguf"), load_tokenizer(lm)
    for text in TEXTS if cut in EQUAL else [regex.sub(r"\p{N}{3,}", "12", text) for text in TEXTS]:
        assert token_ids(model, text) == [0, *tokenizer.encode(text).ids]


def test_llama_cpp_cuts_long_numbers_differently_and_loses_nothing(tmp_path: Path) -> None:
    from tests.tohum.commands.export.llama_cpp import load, token_ids

    lm = lm_of(tmp_path, pattern())
    write_gguf(lm, tmp_path / "lm.gguf", "float32")
    ids = token_ids(load(tmp_path / "lm.gguf"), NUMBERS)[1:]
    tokenizer = load_tokenizer(lm)
    assert ids != tokenizer.encode(NUMBERS).ids
    assert tokenizer.decode(ids) == NUMBERS


def test_llama_cpp_knows_what_ends_a_text_and_what_is_no_text(tmp_path: Path) -> None:
    from tests.tohum.commands.export.llama_cpp import load

    write_gguf(lm_of(tmp_path, pattern()), tmp_path / "lm.gguf", "float32")
    model = load(tmp_path / "lm.gguf")  # it owns the vocabulary, and must live as long
    vocabulary = model.get_vocab()
    special = list(SPECIAL_TOKENS)
    ends = [special[id] for id in range(vocabulary.n_vocab) if vocabulary.is_eog(id)]
    assert ends == ["<|endoftext|>", "<|end|>"]
    control = [id for id in range(vocabulary.n_vocab) if vocabulary.is_control(id)]
    assert control == list(range(len(special)))
    middle = [vocabulary.fim_prefix(), vocabulary.fim_suffix(), vocabulary.fim_middle()]
    assert [special[id] for id in middle] == ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"]


def test_only_a_vocabulary_that_cuts_differently_has_a_caveat(tmp_path: Path) -> None:
    for number, cut in enumerate([*EQUAL, *NEAREST]):
        lm = lm_of(tmp_path / str(number), cut)
        told = caveats(read_vocabulary(lm / "tokenizer.json"))
        assert bool(told) == (cut in NEAREST)


def test_the_presets_can_be_exported() -> None:
    assert {pattern("gpt4"), pattern("gpt2")} < {*EQUAL, *NEAREST}


def test_a_pattern_that_llama_cpp_has_not_is_refused(tmp_path: Path) -> None:
    lm = lm_of(tmp_path, r"\w+|\W+")
    with pytest.raises(UserError, match=r"llama\.cpp has none like it"):
        write_gguf(lm, tmp_path / "lm.gguf", "float32")
    assert gpt4_pattern(3) in EQUAL
