"""The compressors beside the model, on the same bytes of text."""

from pathlib import Path

import pytest

from stages.encode.config import Encode
from stages.encode.encoding import encode_corpus
from stages.evaluate.breakdown import document_bytes
from tests.tiny import conversation, documents, runtime, write_corpus, write_tiny_tokenizer
from tohum.commands.report.summary import validation_documents
from tohum.formats.tokenizer import load_tokenizer
from tohum.formats.tokens import read_meta, read_split
from tohum.model.scoring import token_sizes

TEXTS = ["What is <|end|>?", "An <|endoftext|>\n", "é", "Ağaç"]
TALKS = [conversation(*TEXTS[: number % 4 + 1], str(number)) for number in range(40)]


def test_gzip_and_xz_get_the_bytes_by_which_the_bits_of_the_model_are_divided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    tokens, tokenizer = tmp_path / "data/tokens", tmp_path / "models/tokenizer"
    write_tiny_tokenizer(tokenizer)
    encode_corpus(
        Encode(validation_share=0.5),
        runtime(),
        jsonl=write_corpus(tmp_path / "data/jsonl", [*documents(20), *TALKS]),
        tokenizer_folder=tokenizer,
        out=tokens,
        metrics=tmp_path / "encode.json",
    )
    split = read_split(tokens, "val")
    given = [len(document) for document in validation_documents(tmp_path)]
    assert given == document_bytes(split, token_sizes(load_tokenizer(tokenizer))).tolist()
    assert sum(given) == read_meta(tokens)["val"]["bytes"]
    talked = {"".join(message["content"] for message in talk["messages"]) for talk in TALKS}
    assert talked & {document.decode() for document in validation_documents(tmp_path)}
