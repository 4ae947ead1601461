from itertools import pairwise
from typing import Any

import numpy
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from stages.evaluate.export import transformers_model
from stages.train.middles import middle_order
from tests.tiny import documents, model_and_train, write_tiny_tokenizer
from tohum.cached_decoder import Decoder
from tohum.decoding import (
    LONGEST_LOOP,
    Prompt,
    Sampling,
    as_text,
    chat_prompt,
    draw,
    loop_ids,
    middle_prompt,
    sample,
    text_prompt,
)
from tohum.formats.special_tokens import (
    END_ID,
    END_OF_TEXT_ID,
    MIDDLE_ID,
    PREFIX_ID,
    ROLE_IDS,
    SPECIAL_TOKENS,
    SUFFIX_ID,
)
from tohum.formats.tokenizer import load_tokenizer, token_bytes
from tohum.model.determinism import set_determinism

CONTEXT = 16
USER, ASSISTANT, SYSTEM = (ROLE_IDS[role] for role in ("user", "assistant", "system"))


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    folder = tmp_path_factory.mktemp("sampling") / "tokenizer"
    write_tiny_tokenizer(folder)
    return load_tokenizer(folder)


@pytest.fixture(scope="module")
def model() -> Any:
    config, run = model_and_train("model.initializer_range=0.3")
    set_determinism(run.seed, run.threads)
    return Decoder(transformers_model(config, vocab_size=300).eval()).passage()


def message(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def likeliest(model: Any, ids: list[int]) -> int:
    return int(model.logits(ids).argmax())


@pytest.mark.parametrize("token", SPECIAL_TOKENS)
def test_no_text_of_a_prompt_becomes_a_special_token(tokenizer: Tokenizer, token: str) -> None:
    tokenizer.encode_special_tokens = False  # as a tokenizer is that nobody has told
    count = len(SPECIAL_TOKENS)
    assert min(text_prompt(tokenizer, token).ids[1:]) >= count
    filled = middle_prompt(tokenizer, token, token, 100).ids
    assert [id for id in filled if id < count] == [END_OF_TEXT_ID, PREFIX_ID, SUFFIX_ID, MIDDLE_ID]
    chat = chat_prompt(tokenizer, [message("user", token)], 100).ids
    assert [id for id in chat if id < count] == [END_OF_TEXT_ID, USER, END_ID, ASSISTANT]


def test_a_middle_is_asked_for_in_the_order_of_the_training(tokenizer: Tokenizer) -> None:
    before, after = tokenizer.encode("def f(").ids, tokenizer.encode("):\n").ids
    document = numpy.array([END_OF_TEXT_ID, *before, *after])
    trained = middle_order(document, 0, len(before))
    assert middle_prompt(tokenizer, "def f(", "):\n", 100).ids == trained.tolist()


@given(st.text(max_size=60), st.text(max_size=60), st.integers(8, 60))
def test_of_long_texts_the_parts_next_to_the_middle_stay(
    tokenizer: Tokenizer, prefix: str, suffix: str, room: int
) -> None:
    ids = middle_prompt(tokenizer, prefix, suffix, room).ids
    assert len(ids) <= room
    before, after = ids[ids.index(MIDDLE_ID) + 1 :], ids[3 : ids.index(MIDDLE_ID)]
    all_before, all_after = tokenizer.encode(prefix).ids, tokenizer.encode(suffix).ids
    assert before == all_before[len(all_before) - len(before) :]
    assert after == all_after[: len(after)]
    if len(all_before) + len(all_after) + 4 <= room:
        assert (before, after) == (all_before, all_after)


@pytest.mark.parametrize("filled", [True, False])
def test_while_lines_are_typed_a_cut_prompt_mostly_begins_as_before(
    tokenizer: Tokenizer, filled: bool
) -> None:
    text = "".join(f"name_{number} = {number * 7919 % 1000}\n" for number in range(200))
    typed = [text[:size] for size in range(len(text) - 600, len(text))]
    prompts = [middle_prompt(tokenizer, each, "x\n" * 99, 400).ids for each in typed]
    starts = [
        tokenizer.decode(ids[ids.index(MIDDLE_ID) + 1 :][:24]).partition("\n")[0] for ids in prompts
    ]
    assert all(line.startswith("name_") for line in starts), "a cut prompt begins with a line"
    moves = sum(one != two for one, two in pairwise(starts))
    assert 1 <= moves <= text[-600:].count("\n") / 3
    assert all(len(ids) > 400 * 3 / 4 - 4 for ids in prompts), "at most a quarter is given up"


def test_a_long_suffix_leaves_most_of_the_room_to_the_prefix(tokenizer: Tokenizer) -> None:
    long = "".join(documents(9))
    ids = middle_prompt(tokenizer, long, long, 104).ids
    assert ids.index(MIDDLE_ID) - ids.index(SUFFIX_ID) - 1 == 25
    short = middle_prompt(tokenizer, "x", long, 104).ids
    assert len(short) == 104, "room that the prefix does not need is the suffix's"


def test_of_a_long_conversation_the_system_and_the_newest_messages_stay(
    tokenizer: Tokenizer,
) -> None:
    turns = [message("user", "abc"), message("assistant", "def")] * 9 + [message("user", "?")]
    ids = chat_prompt(tokenizer, [message("system", "x"), *turns], 30).ids
    assert len(ids) <= 30
    assert ids[:2] == [END_OF_TEXT_ID, SYSTEM]
    whole = chat_prompt(tokenizer, [message("system", "x"), *turns], 10_000).ids
    assert ids[4:] == whole[len(whole) - len(ids) + 4 :]
    assert ids[4] in (USER, ASSISTANT)


def test_of_a_question_that_is_too_long_the_last_words_stay(tokenizer: Tokenizer) -> None:
    text = "".join(documents(3))
    ids = chat_prompt(tokenizer, [message("user", text)], 30).ids
    assert len(ids) == 30
    assert ids[:2] == [END_OF_TEXT_ID, USER]
    assert ids[2:] == [*tokenizer.encode(text).ids[-26:], END_ID, ASSISTANT]


@given(
    st.lists(st.integers(0, 90), min_size=1, max_size=6),
    st.sampled_from(sorted(ROLE_IDS)),
    st.integers(0, 120),
)
def test_a_conversation_of_any_lengths_fits_and_is_well_formed(
    tokenizer: Tokenizer, lengths: list[int], first: str, room: int
) -> None:
    roles = [first, *(("user", "assistant")[number % 2] for number in range(len(lengths) - 1))]
    texts = [("+x" * length)[:length] for length in lengths]
    conversation = [message(*pair) for pair in zip(roles, texts, strict=True)]
    ids = chat_prompt(tokenizer, conversation, room).ids
    assert len(ids) <= max(room, 4)
    assert (ids[0], ids[-1]) == (END_OF_TEXT_ID, ASSISTANT)
    kept = messages_of(ids[1:-1])
    assert [role for role, _ in kept][-1] == ROLE_IDS[roles[-1]]
    last = tokenizer.encode(texts[-1]).ids
    assert kept[-1][1] == last[len(last) - len(kept[-1][1]) :]
    whole = chat_prompt(tokenizer, conversation, 10_000).ids
    if len(whole) <= room:
        assert ids == whole
    elif first == "system" and len(lengths) > 1 and room >= 10:
        system = tokenizer.encode(texts[0]).ids
        assert kept[0] == (SYSTEM, system[: len(kept[0][1])])


def messages_of(ids: list[int]) -> list[tuple[int, list[int]]]:
    """Role and text of each message, in ids that must be whole messages and nothing else."""
    messages: list[tuple[int, list[int]]] = []
    while ids:
        end = ids.index(END_ID)
        assert ids[0] in ROLE_IDS.values()
        assert min(ids[1:end], default=len(SPECIAL_TOKENS)) >= len(SPECIAL_TOKENS)
        messages.append((ids[0], ids[1:end]))
        ids = ids[end + 1 :]
    return messages


def test_a_long_system_message_leaves_half_of_the_room_to_a_long_question(
    tokenizer: Tokenizer,
) -> None:
    system, question = "".join(documents(3)), "".join(documents(6)[3:])
    conversation = [message("system", system), message("user", question)]
    ids = chat_prompt(tokenizer, conversation, 42).ids
    (_, kept_system), (_, kept_question) = messages_of(ids[1:-1])
    assert kept_system == tokenizer.encode(system).ids[:18]
    assert kept_question == tokenizer.encode(question).ids[-18:]


@given(st.text(max_size=60), st.text(max_size=60), st.integers(-9, 7))
def test_without_room_a_middle_keeps_its_special_tokens(
    tokenizer: Tokenizer, prefix: str, suffix: str, room: int
) -> None:
    ids = middle_prompt(tokenizer, prefix, suffix, room).ids
    assert len(ids) <= max(room, 4)
    special = [id for id in ids if id < len(SPECIAL_TOKENS)]
    assert special == [END_OF_TEXT_ID, PREFIX_ID, SUFFIX_ID, MIDDLE_ID]


def test_within_the_context_each_id_is_the_likeliest_of_all_before_it(model: Any) -> None:
    prompt = [END_OF_TEXT_ID, 40, 50]
    ids = list(sample(model, Prompt(prompt, True), Sampling(CONTEXT - 3)))
    for number, id in enumerate(ids):
        assert id == likeliest(model, prompt + ids[:number])


def test_a_text_goes_on_past_the_context_from_its_last_half(model: Any) -> None:
    for seed in range(9):
        prompt = [END_OF_TEXT_ID, 40 + seed]
        ids = prompt + list(sample(model, Prompt(prompt, True), Sampling(100)))
        if len(ids) == 102:
            break
    assert len(ids) == 102, "no seed wrote so much without a special token"
    seen = ids[CONTEXT + 1 - CONTEXT // 2 + 1 : CONTEXT + 1]
    assert ids[CONTEXT + 1] == likeliest(model, [END_OF_TEXT_ID, *seen])


def test_what_may_not_outgrow_the_context_ends_there(model: Any) -> None:
    prompt = Prompt([END_OF_TEXT_ID, 40, 50], may_outgrow=False)
    whole = list(sample(model, Prompt(prompt.ids, True), Sampling(100)))
    assert list(sample(model, prompt, Sampling(100))) == whole[: CONTEXT - 3 + 1]


@given(st.lists(st.integers(0, 2), max_size=30), st.integers(1, 3))
def test_an_id_is_a_loop_if_the_text_then_ends_in_a_piece_too_many_times(
    ids: list[int], most: int
) -> None:
    def ends_in_loop(text: list[int]) -> bool:
        sizes = range(1, min(LONGEST_LOOP, len(text)) + 1)
        return any(text[-size * (most + 1) :] == text[-size:] * (most + 1) for size in sizes)

    assert set(loop_ids(ids, most)) == {id for id in range(3) if ends_in_loop([*ids, id])}


def test_what_is_written_has_no_loops_whatever_the_prompt_has(model: Any) -> None:
    prompt = Prompt([END_OF_TEXT_ID, *[40, 41] * 5], True)
    free = list(sample(model, prompt, Sampling(CONTEXT)))
    held = list(sample(model, prompt, Sampling(CONTEXT, most_repeats=1)))
    assert any(loop_ids(free[:end], 1).count(free[end]) for end in range(len(free)))
    assert not any(loop_ids(held[:end], 1).count(held[end]) for end in range(len(held)))


def test_a_special_token_ends_the_text_and_is_left_out(model: Any) -> None:
    for seed in range(200):
        ids = list(sample(model, Prompt([0], True), Sampling(60, temperature=2.0, seed=seed)))
        assert all(id >= len(SPECIAL_TOKENS) for id in ids)
        if len(ids) < 60:
            return
    pytest.fail("no text ended by itself")


@given(st.integers(0, 5), st.floats(0.05, 1.0), st.integers(0, 2**32 - 1))
def test_only_the_likeliest_are_drawn(top_k: int, top_p: float, seed: int) -> None:
    chances = torch.tensor([0.1, 0.4, 0.2, 0.3])
    order, together = [1, 3, 2, 0], 0.0
    allowed = []
    for id in order[: top_k or 4]:
        if together < top_p * float(sum(chances[i] for i in order[: top_k or 4])) + 1e-6:
            allowed.append(id)
        together += float(chances[id])
    generator = torch.Generator().manual_seed(seed)
    assert draw(chances.log(), Sampling(1, 1.0, top_k, top_p), generator) in allowed


def test_ids_are_drawn_as_often_as_their_probability() -> None:
    chances = torch.tensor([0.1, 0.4, 0.2, 0.3])
    generator = torch.Generator().manual_seed(0)
    drawn = [draw(chances.log(), Sampling(1, 1.0), generator) for _ in range(4000)]
    for id, chance in enumerate(chances.tolist()):
        assert drawn.count(id) / 4000 == pytest.approx(chance, abs=0.03)


@given(st.text())
def test_the_pieces_of_a_text_are_the_text(tokenizer: Tokenizer, text: str) -> None:
    vocabulary = token_bytes(tokenizer)
    pieces = list(as_text(tokenizer.encode(text).ids, vocabulary))
    assert "".join(pieces) == text
    assert all(pieces)


@given(st.lists(st.integers(0, 299)))
def test_any_ids_are_the_text_that_the_tokenizer_makes_of_them(
    tokenizer: Tokenizer, ids: list[int]
) -> None:
    text = "".join(as_text(ids, token_bytes(tokenizer)))
    assert text == tokenizer.decode(ids, skip_special_tokens=True)


def test_ordinary_letters_come_at_once(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("abcdef").ids
    counts = [len("".join(as_text(ids[:n], token_bytes(tokenizer)))) for n in range(len(ids))]
    assert all(one < two for one, two in pairwise(counts))
