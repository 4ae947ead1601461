import itertools

import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from tohum.errors import UserError
from tohum.fields import as_override, compile_fields, describe
from tohum.fields.names import NAMES, fold

KNOWN = [name for names in NAMES.values() for name in names.split()]
COLUMNS = st.lists(st.sampled_from([*KNOWN, "id", "score"]), unique=True, max_size=6)
USER = {"role": "user", "content": "x"}
AMBIGUOUS = [
    ("text", "content"),
    ("soru", "prompt", "cevap"),
    ("soru", "cevap", "answer"),
    ("messages", "soru", "cevap"),
    ("messages", "text"),
    ("text", "prompt", "response"),
    ("text", "cevap"),
    ("question", "context", "answer"),
    ("question", "input", "answer"),
    ("text", "path", "filename"),
    ("Soru", "SORU", "cevap"),
    ("system", "sistem", "soru", "cevap"),
]


@given(COLUMNS)
def test_the_order_of_columns_changes_nothing(columns: list[str]) -> None:
    proposals = [describe(order) for order in itertools.islice(itertools.permutations(columns), 8)]

    for proposal in proposals:
        assert proposal.fields == proposals[0].fields
        assert proposal.choices == proposals[0].choices
        assert sorted(proposal.unused) == sorted(proposals[0].unused)


@given(COLUMNS)
def test_there_is_one_reading_or_a_choice_or_a_reason(columns: list[str]) -> None:
    proposal = describe(columns)

    assert bool(proposal.fields) != bool(proposal.reason)
    assert not (proposal.fields and proposal.choices)
    for choice in [proposal.fields] if proposal.fields else proposal.choices:
        compile_fields(choice, "jsonl.fields")


@given(COLUMNS)
def test_no_text_column_is_left_out_without_a_word(columns: list[str]) -> None:
    """One reading uses every question, answer, text and conversation there is, or names it."""
    proposal = describe(columns)
    if proposal.fields:
        used = set(columns) - set(proposal.unused)
        texts = {fold(name) for role in ("text", "assistant") for name in NAMES[role].split()}
        left = [column for column in proposal.unused if fold(column) in texts]
        assert not left or "messages" in proposal.fields
        assert used | set(proposal.unused) == set(columns)


@pytest.mark.parametrize("columns", AMBIGUOUS)
def test_an_ambiguity_is_an_error_whose_choices_can_be_pasted(columns: tuple[str, ...]) -> None:
    row = {column: [USER] if column == "messages" else "x" for column in columns}
    with pytest.raises(UserError) as refusal:
        compile_fields({}, "jsonl.fields").records(row)

    told = [line.strip() for line in str(refusal.value).splitlines()[1:]]
    assert len(told) >= 2
    for line in told:
        fields = _configured(line)
        assert compile_fields(fields, "jsonl.fields").records(row)[0].problem is None
    assert [_configured(line) for line in told] == describe(columns).choices


def _configured(line: str) -> dict[str, str]:
    """What a line of `overrides` in params.yaml gives, through YAML and Hydra."""
    [text] = yaml.safe_load(f"overrides: [{line}]")["overrides"]
    override = OverridesParser.create().parse_override(text)
    assert override.key_or_group == "jsonl.fields"
    value = override.value()
    assert isinstance(value, dict)
    return {str(key): str(text).replace("\\n", "\n") for key, text in value.items()}


@given(
    st.text(st.characters(categories=("L", "N", "P", "S"), exclude_characters="\\$"), min_size=1)
)
def test_an_override_holds_any_name(name: str) -> None:
    assert _configured(as_override("jsonl.fields", {"content": name})) == {"content": name}


@pytest.mark.parametrize(
    "names",
    [
        ("İçerik", "ICERIK", "içerik", "i\u0307çerik", "ic\u0327erik"),
        ("ÇIKTI", "çıktı", "Çıktı", "cikti", "CIKTI"),
        ("source_code", "Source Code", "source-code", "sourceCode", "SOURCE\u00a0CODE"),
    ],
)
def test_case_accents_and_the_two_letters_i_do_not_matter(names: tuple[str, ...]) -> None:
    assert len({fold(name) for name in names}) == 1


@given(st.sampled_from(KNOWN))
def test_folding_what_is_folded_changes_nothing(name: str) -> None:
    assert fold(fold(name)) == fold(name) == fold(name.upper()) == fold(name.title())


def test_names_that_are_not_listed_are_left_alone() -> None:
    proposal = describe(["Soru Metni", "Cevap Metni"])

    assert not proposal.fields
    assert not proposal.choices
    assert "Soru Metni, Cevap Metni" in proposal.reason


def test_unused_columns_are_told() -> None:
    proposal = describe(["id", "soru", "cevap", "puan"])

    assert proposal.fields == {"user": "soru", "assistant": "cevap"}
    assert proposal.unused == ["id", "puan"]
