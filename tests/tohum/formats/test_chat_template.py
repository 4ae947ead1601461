from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jinja2.exceptions import TemplateError
from transformers import AutoTokenizer

from stages.train.masks import target_mask
from tests.tiny import write_tiny_tokenizer
from tohum.formats.chat_template import CHAT_TEMPLATE_FILE
from tohum.formats.records import marked_texts
from tohum.formats.special_tokens import END_ID, END_OF_TEXT_ID, ROLE_IDS, SPECIAL_TOKENS
from tohum.formats.tokenizer import load_tokenizer

CONVERSATION = [
    {"role": "system", "content": "You are brief.\n"},
    {"role": "user", "content": "  What is é + 中?\n\n"},
    {"role": "assistant", "content": ""},
    {"role": "user", "content": "{{ bos_token }} {% raw %}"},
    {"role": "assistant", "content": "def f(x):\n    return x\n"},
]
# transformers reads the text of a special token as the token: see the last test but one.
CONTENT = st.text().filter(lambda text: not any(token in text for token in SPECIAL_TOKENS))
MESSAGES = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(sorted(ROLE_IDS)), "content": CONTENT}),
    min_size=1,
    max_size=4,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chat") / "tokenizer"
    write_tiny_tokenizer(folder)
    return folder


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Any:
    return AutoTokenizer.from_pretrained(str(folder))


def encoded(folder: Path, messages: list[dict[str, str]]) -> list[int]:
    """The ids of a conversation as records.marked_texts has them, its texts read as text."""
    ours = load_tokenizer(folder)
    return [
        id
        for part in marked_texts({"messages": messages})
        for id in (*part.before, *ours.encode(part.text).ids, *part.after)
    ]


def test_a_conversation_has_the_ids_of_the_training(folder: Path, tokenizer: Any) -> None:
    found = tokenizer.apply_chat_template(CONVERSATION, return_dict=False)
    assert found == encoded(folder, CONVERSATION)
    assert found[0] == END_OF_TEXT_ID
    assert found[-1] == END_ID


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(MESSAGES)
def test_any_conversation_without_special_tokens_in_its_texts_has_the_ids_of_the_training(
    folder: Path, tokenizer: Any, messages: list[dict[str, str]]
) -> None:
    found = tokenizer.apply_chat_template(messages, return_dict=False)
    assert found == encoded(folder, messages)


def test_the_prompt_of_an_answer_ends_with_the_assistants_token(
    folder: Path, tokenizer: Any
) -> None:
    found = tokenizer.apply_chat_template(
        CONVERSATION[:2], add_generation_prompt=True, return_dict=False
    )
    assert found == [*encoded(folder, CONVERSATION[:2]), ROLE_IDS["assistant"]]


def test_the_marked_words_are_those_that_the_loss_counts(tokenizer: Any) -> None:
    found = tokenizer.apply_chat_template(
        CONVERSATION, return_dict=True, return_assistant_tokens_mask=True
    )
    mask = target_mask(numpy.array(found["input_ids"]), END_OF_TEXT_ID)
    assert found["assistant_masks"][1:] == mask.astype(int).tolist()
    assert mask.any()


def test_an_unknown_role_is_refused(tokenizer: Any) -> None:
    with pytest.raises(TemplateError, match="the role tool is none of system, user, assistant"):
        tokenizer.apply_chat_template([{"role": "tool", "content": ""}])


@pytest.mark.parametrize("token", SPECIAL_TOKENS)
def test_transformers_reads_a_special_tokens_text_as_the_token_and_training_does_not(
    folder: Path, tokenizer: Any, token: str
) -> None:
    messages = [{"role": "user", "content": token}]
    found = tokenizer.apply_chat_template(messages, return_dict=False)
    assert found == [
        END_OF_TEXT_ID,
        ROLE_IDS["user"],
        SPECIAL_TOKENS.index(token),
        END_ID,
    ]
    assert encoded(folder, messages)[2:-1] == load_tokenizer(folder).encode(token).ids
    assert len(encoded(folder, messages)) > len(found)


def test_the_template_is_kept_when_transformers_saves_the_tokenizer(
    folder: Path, tokenizer: Any, tmp_path: Path
) -> None:
    tokenizer.save_pretrained(tmp_path)
    saved = (tmp_path / CHAT_TEMPLATE_FILE).read_text(encoding="utf-8")
    assert saved == (folder / CHAT_TEMPLATE_FILE).read_text(encoding="utf-8")
