import json
from pathlib import Path

import pytest
import torch

from stages.train.glimpses import OPENING, SHARE, WRITTEN, Glimpses, opening
from stages.train.masks import ASSISTANT_ID
from tests.tiny import conversation, documents, model_and_train, write_tiny_tokenizer, write_tokens
from tohum.formats.records import marked_texts
from tohum.formats.special_tokens import END_ID, END_OF_TEXT_ID
from tohum.formats.tokenizer import load_tokenizer
from tohum.formats.tokens import TokenSplit, TokenWriter, read_split
from tohum.model.network import Network


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("samples")
    write_tiny_tokenizer(root / "tokenizer")
    write_tokens(root / "tokens", root / "tokenizer", documents(3), ["değer = 1\n" * 9, "y = 2"])
    return root


def validation(folder: Path) -> TokenSplit:
    return read_split(folder / "tokens", "val")


def samples(folder: Path) -> Glimpses:
    torch.manual_seed(0)
    tokenizer = load_tokenizer(folder / "tokenizer")
    network = Network(model_and_train()[0], tokenizer.get_vocab_size())
    return Glimpses(network, validation(folder), tokenizer)


def test_a_line_has_the_opening_and_what_comes_after(folder: Path) -> None:
    given, written = map(json.loads, samples(folder).line().split(" -> "))
    assert "değer" in given
    assert written


def test_the_continuation_is_the_likeliest_of_the_network(folder: Path) -> None:
    found = samples(folder)
    ids = opening(validation(folder))
    written = found._written()
    assert 0 < len(written) <= WRITTEN
    for id in written:
        seen = torch.tensor([ids[-found.network.config.context_length :]])
        logits = found.network.hidden(seen)[0, -1] @ found.network.embedding.T
        assert id == int(logits.argmax())
        ids.append(id)


def test_a_special_token_ends_the_continuation(folder: Path) -> None:
    found = samples(folder)
    with torch.no_grad():
        found.network.embedding.zero_()  # all logits are equal: the first id wins
    assert found._written() == []
    assert found.line().endswith(' -> ""')


def test_nothing_random_is_drawn_and_no_weight_changes(folder: Path) -> None:
    found = samples(folder)
    state, weights = torch.get_rng_state(), [w.clone() for w in found.network.parameters()]
    found.line()
    assert torch.equal(state, torch.get_rng_state())
    assert all(map(torch.equal, weights, found.network.parameters()))
    assert found.network.training
    assert not any(weight.grad is not None for weight in found.network.parameters())


def test_samples_stay_within_their_share_of_the_run(folder: Path) -> None:
    found = samples(folder)
    assert not found.due(1.0)
    assert found.due(60.0)
    found.spent, found.last = 1.0, 0.5
    assert not found.due(1.49 / SHARE)
    assert found.due(1.51 / SHARE)


def test_a_conversation_is_continued_where_the_answer_begins(folder: Path, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(folder / "tokenizer")
    writer = TokenWriter(tmp_path, "val", validation(folder).ids.dtype)
    said = conversation("Merhaba", "Selam")
    question, answer = (
        [*part.before, *tokenizer.encode(part.text).ids, *part.after] for part in marked_texts(said)
    )
    writer.write([END_OF_TEXT_ID, *tokenizer.encode("a text").ids], 6)
    writer.write([*question, *answer], 12)
    writer.close()
    (tmp_path / "meta.json").write_text(json.dumps({"dtype": "<u2", "val": {"bytes": 18}}))
    found = opening(read_split(tmp_path, "val"))
    assert found == [*question, ASSISTANT_ID]
    assert found[-2] == END_ID


def test_a_text_is_continued_from_its_middle(folder: Path) -> None:
    whole = validation(folder).document(0).tolist()
    assert opening(validation(folder)) == whole[len(whole) // 2 :][:OPENING]
