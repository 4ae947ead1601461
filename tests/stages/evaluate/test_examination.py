import json
import math
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from tokenizers import Tokenizer
from transformers import PreTrainedModel

from stages.evaluate.breakdown import (
    by_name,
    document_bits,
    document_bytes,
    read_documents,
    write_document_figures,
)
from stages.evaluate.examination import examine
from stages.evaluate.export import export
from stages.evaluate.parsing import parse_share, parses, python_prompts
from stages.evaluate.prompts import completions_page, read_prompts
from tests.stages.evaluate.trained import evaluate_section
from tests.tiny import (
    PROJECT,
    documents,
    model_and_train,
    module_sources,
    write_tiny_tokenizer,
    write_tokens,
)
from tohum.cached_decoder import Decoder
from tohum.errors import UserError
from tohum.formats.tokenizer import load_tokenizer
from tohum.formats.tokens import read_split
from tohum.model.determinism import set_determinism
from tohum.model.network import Network
from tohum.model.scoring import bits_per_byte, token_sizes, validation_windows

TOKENIZER = Path("models/tokenizer")
TOKENS = Path("data/tokens")
LISTING = Path("validation.jsonl")
TEXTS = [*module_sources(("bisect", "glob", "this")), "hello\n", "a, b\n"]
LANGUAGES = ["Python", "Python", "Python", "Text", None]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("examination")
    write_tiny_tokenizer(root / TOKENIZER)
    write_tokens(root / TOKENS, root / TOKENIZER, documents(50), TEXTS)
    return root


@pytest.fixture(autouse=True)
def project(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    (root / TOKENS / "val.documents.jsonl").unlink(missing_ok=True)


def describe_documents() -> list[dict[str, Any]]:
    """Writes what the documents are, as the encode stage does."""
    known = [
        {"id": str(number), "source": "ab"[number % 2], "path": None, "language": language}
        for number, language in enumerate(LANGUAGES)
    ]
    lines = "".join(json.dumps(document) + "\n" for document in known)
    (TOKENS / "val.documents.jsonl").write_text(lines, encoding="utf-8")
    return known


@pytest.fixture(scope="module")
def network() -> Network:
    model, config = model_and_train("model.context_length=32", "model.initializer_range=0.2")
    set_determinism(config.seed, config.threads)
    return Network(model, 300).eval()


def model_of(network: Network) -> PreTrainedModel:
    return export(network.state_dict(), network.config)


def examined(network: Network, *overrides: str) -> dict[str, Any]:
    section = evaluate_section(*overrides)
    tokenizer = load_tokenizer(TOKENIZER)
    decoder = Decoder(model_of(network))
    return examine(network, decoder, section, TOKENS, tokenizer, True, LISTING)


@pytest.fixture
def tokenizer() -> Tokenizer:
    return load_tokenizer(TOKENIZER)


def test_the_documents_together_are_the_whole(network: Network, tokenizer: Tokenizer) -> None:
    split, sizes = read_split(TOKENS, "val"), token_sizes(tokenizer)
    bits = document_bits(network, split, 128)
    size = document_bytes(split, sizes)
    assert size.tolist() == [len(text.encode()) for text in TEXTS]
    windows = validation_windows(split, 32)
    whole = bits_per_byte(network, windows, sizes, 4, torch.device("cpu"))
    assert bits.sum() / size.sum() == pytest.approx(whole, rel=1e-6)


def test_a_document_has_its_bits_whichever_stand_beside_it(network: Network) -> None:
    split = read_split(TOKENS, "val")
    one, two = (document_bits(network, split, batch_tokens) for batch_tokens in (1, 288))
    assert one == pytest.approx(two, rel=1e-5)


def test_a_name_has_the_figure_of_its_documents() -> None:
    bits, size = numpy.array([8.0, 4.0, 2.0, 1.0]), numpy.array([2, 2, 2, 0])
    assert by_name(["b", "a", "b", "c"], bits, size) == {"a": 2.0, "b": 2.5}
    assert by_name([None, "", "a", "a"], bits, size) == {"a": 1.5, "other": 3.0}


def test_figures_are_by_source_and_language_and_agree(
    network: Network, tokenizer: Tokenizer
) -> None:
    describe_documents()
    figures = examined(network)
    assert list(figures)[:3] == ["bits_per_byte", "baselines", "baseline_bytes"]
    assert list(figures)[3:] == ["by_source", "by_language", "completion", "parse_share"]
    assert list(figures["by_source"]) == ["a", "b"]
    assert list(figures["by_language"]) == ["Python", "Text", "other"]
    size = [len(text.encode()) for text in TEXTS]
    parts = {"a": sum(size[::2]), "b": sum(size[1::2])}
    together = sum(figures["by_source"][name] * parts[name] for name in parts) / sum(size)
    assert figures["bits_per_byte"] == pytest.approx(together, abs=2e-6)
    assert examined(network) == figures


def test_each_document_has_a_line_of_figures(network: Network) -> None:
    known = describe_documents()
    figures = examined(network)
    lines = [json.loads(line) for line in LISTING.read_text(encoding="utf-8").splitlines()]
    assert [{key: line[key] for key in known[0]} for line in lines] == known
    assert [line["bytes"] for line in lines] == [len(text.encode()) for text in TEXTS]
    bits = sum(line["bytes"] * line["bits_per_byte"] for line in lines)
    whole = sum(line["bytes"] for line in lines)
    assert bits / whole == pytest.approx(figures["bits_per_byte"], abs=2e-6)


def test_a_document_without_text_has_no_figure(tmp_path: Path) -> None:
    path = tmp_path / "listing.jsonl"
    write_document_figures(path, None, numpy.array([8.0, 0.0]), numpy.array([4, 0]))
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert lines == [{"bytes": 4, "bits_per_byte": 2.0}, {"bytes": 0, "bits_per_byte": None}]


def test_completion_is_measured_on_the_model_and_on_baselines(network: Network) -> None:
    describe_documents()
    figures = examined(network)
    completion = figures["completion"]
    assert completion["places"] == 2
    assert [*completion][3:] == ["model", "n-gram", "copy", "model+copy"]
    assert "middle_exact" in completion["model"]
    assert "middle_exact" in completion["model+copy"]
    assert "middle_exact" not in completion["n-gram"]
    assert sum(len(text.encode()) for text in documents(50)) == figures["baseline_bytes"]
    without = examined(network, "evaluate.baseline_bytes=0", "evaluate.completion_places=1")
    assert list(without["baselines"]) == ["gzip -9", "xz -9e"]
    assert [*without["completion"]][3:] == ["model", "copy", "model+copy"]
    assert "completion" not in examined(network, "evaluate.completion_places=0")


def test_documents_of_which_nothing_is_known_have_one_figure(network: Network) -> None:
    figures = examined(network)
    assert list(figures) == ["bits_per_byte", "baselines", "baseline_bytes"]
    assert math.isfinite(figures["bits_per_byte"])


def test_too_few_lines_are_refused() -> None:
    describe_documents()
    with pytest.raises(UserError, match="has 5 lines for 6 validation documents"):
        read_documents(TOKENS, 6)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x = 1\n",
        "def f(x):\n",
        "def f(\n",
        "if x:\n    y = 1\nelse:\n",
        "x = '''unfinished\n",
        "try:\n    x\n",
        "x = 1\ny = )",  # the last line is not whole
        "x = '\\d'\n",
    ],
)
def test_the_start_of_a_program_parses(text: str) -> None:
    assert parses(text)


@pytest.mark.parametrize(
    "text",
    ["x = )\n", "x = 'a\n", "def f():\n    a\n  b\n", "class A(:\n", "a b\n", "x = 1\0\n"],
)
def test_what_no_program_starts_with_does_not_parse(text: str) -> None:
    assert not parses(text)


def test_every_start_of_real_code_parses() -> None:
    for source in module_sources(("bisect", "heapq", "stat")):
        lines = source.splitlines(keepends=True)
        for count in range(0, len(lines), 7):
            assert parses("".join(lines[:count])), "".join(lines[max(0, count - 3) : count])


def test_prompts_are_the_starts_of_python_up_to_their_first_block(tokenizer: Tokenizer) -> None:
    found = python_prompts(tokenizer, read_split(TOKENS, "val"), describe_documents(), 32)
    assert len(found) == 2  # the module `this` has neither def nor class
    for prompt, text in zip(found, TEXTS, strict=False):
        assert text.startswith(prompt)
        assert prompt.splitlines()[-1].startswith(("def ", "class "))
        assert sum(line.startswith(("def ", "class ")) for line in prompt.splitlines()) == 1


def test_as_many_documents_are_continued_as_asked(network: Network, tokenizer: Tokenizer) -> None:
    known, split = describe_documents(), read_split(TOKENS, "val")
    assert (
        python_prompts(tokenizer, split, known, 1) == python_prompts(tokenizer, split, known, 2)[:1]
    )
    assert "parse_share" not in examined(network, "evaluate.parse_prompts=0")


def test_without_python_there_is_no_share(network: Network, tokenizer: Tokenizer) -> None:
    known = [{**document, "language": "Text"} for document in describe_documents()]
    assert (
        parse_share(
            Decoder(model_of(network)).passage(),
            tokenizer,
            read_split(TOKENS, "val"),
            known,
            evaluate_section(),
        )
        is None
    )


def test_the_page_has_every_prompt_and_is_the_same_again(
    network: Network, tokenizer: Tokenizer
) -> None:
    prompts = ["import", "x = ```", ""]
    model = Decoder(model_of(network)).passage()
    page = completions_page(model, tokenizer, prompts, 8)
    assert page == completions_page(model, tokenizer, prompts, 8)
    assert "```\nimport" in page
    assert "````\nx = ```" in page


def test_the_prompts_of_the_project_are_read_as_they_stand(tmp_path: Path) -> None:
    prompts = read_prompts(PROJECT / "conf" / "prompts.txt")
    assert prompts[0] == "import os\nimport"
    assert "class Error(Exception):\n" in prompts
    assert all(prompt and not prompt.endswith(" ") for prompt in prompts)
    with pytest.raises(UserError, match="is missing"):
        read_prompts(tmp_path / "prompts.txt")
