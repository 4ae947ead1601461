import logging
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import example, given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from stages.compose.composition import compose, read_overrides, write_lock_file
from stages.compose.dvc_values import as_override, refuse_edits, warn_of_lost_source
from tests.tiny import PROJECT
from tohum.errors import UserError

CONF = PROJECT / "conf"


def refused(tmp_path: Path, text: str) -> str:
    """What is said of a params.yaml."""
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        read_overrides(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (  # `-S +tokenizer.vocab_size=500`
            "overrides: [source=tiny]\ntokenizer:\n  vocab_size: 500\n",
            ["source=tiny", "tokenizer.vocab_size=500"],
        ),
        (  # instead of the same override, at its place in the list
            "overrides: [tokenizer.vocab_size=9, model=tiny]\ntokenizer: {vocab_size: 500}\n",
            ["model=tiny", "tokenizer.vocab_size=500"],
        ),
        ("overrides: []\nmodel: tiny\n", ["model=tiny"]),
        ("model: tiny\n", ["model=tiny"]),
        (
            "# why\noverrides: []\ntrain: {steps: null, seed: 1}\n",
            ["train.steps=null", "train.seed=1"],
        ),
        (
            'overrides: []\nsource: {paths: ["a b.csv", c.csv]}\n',
            ["source.paths=['a b.csv',c.csv]"],
        ),
        ("overrides: []\nx: {}\n", ["x={}"]),
        ("overrides: []\n3: 4\n", ["3=4"]),
    ],
)
def test_a_key_beside_overrides_is_refused_with_the_line_to_write(
    tmp_path: Path, text: str, line: list[str]
) -> None:
    told = refused(tmp_path, text)
    assert "has values beside `overrides`, and nothing reads them: " in told
    proposed = next(one for one in told.splitlines() if one.startswith("  overrides: "))
    assert yaml.safe_load(proposed) == {"overrides": line}


def test_a_misspelt_overrides_is_told(tmp_path: Path) -> None:
    told = refused(tmp_path, "overrides: []\noverride: [model=tiny]\n")
    assert told.endswith("unknown key 'override'. Did you mean 'overrides'?")


def test_overrides_given_twice_are_refused_by_line(tmp_path: Path) -> None:
    told = refused(tmp_path, "overrides: [source=tiny]\noverrides: []\n")
    assert "the key 'overrides' is given twice" in told
    assert "line 2" in told


def test_a_file_in_another_encoding_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes("overrides: [source.path=ödev]\n".encode("cp1254"))
    with pytest.raises(UserError, match=r"params\.yaml is not UTF-8 .* at byte 24"):
        read_overrides(path)


def test_comments_and_the_same_override_twice_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("# mine\noverrides: # all\n- model=tiny # small\n- model=tiny\n")
    assert read_overrides(path) == ["model=tiny", "model=tiny"]


VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(alphabet="ab,:=[]{}()'\"\\ ç.#%@?*1", max_size=6),
        st.sampled_from(["null", "true", "1", "1e3", "a b", "C:\\data\\", "it's", "", "\\'"]),
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b c"]), inner, max_size=2)
    ),
    max_leaves=5,
)


@given(VALUES)
@example("a\\")
def test_a_proposed_override_sets_the_same_value(value: Any) -> None:
    override = OverridesParser.create().parse_override(as_override("key", value))
    config = OmegaConf.create({"key": None})
    OmegaConf.update(config, "key", override.value())
    found = OmegaConf.to_container(config, resolve=False)
    assert repr(found) == repr({"key": value})


@pytest.fixture
def lock_file(tmp_path: Path) -> Path:
    """A params.lock.yaml of the tiny model."""
    path = tmp_path / "params.lock.yaml"
    write_lock_file(path, compose(CONF, ["model=tiny"]))
    return path


def test_values_that_are_only_older_are_replaced(lock_file: Path) -> None:
    refuse_edits(lock_file, compose(CONF, ["tokenizer.vocab_size=500"]), [])


@pytest.mark.parametrize(
    ("pattern", "after", "told"),
    [
        (r"vocab_size: \d+", "vocab_size: 500", "tokenizer.vocab_size=500"),
        (r"architecture: \w+", "architecture: null", "model.architecture=null"),
        (r"  vocab_size: \d+\n", "", "~tokenizer.vocab_size"),
        (r"(?m)^tokenizer:\n", "tokenizer:\n  more: 1\n", "tokenizer.more=1"),
    ],
)
def test_an_edited_lock_file_is_refused_and_stays(
    lock_file: Path, pattern: str, after: str, told: str
) -> None:
    text = re.sub(pattern, after, lock_file.read_text("utf-8"), count=1)
    lock_file.write_text(text, "utf-8")
    with pytest.raises(UserError, match="was edited") as caught:
        refuse_edits(lock_file, compose(CONF, ["model=tiny"]), ["model=tiny"])
    assert f"other values: {told}. Delete" in str(caught.value)
    assert yaml.safe_load(str(caught.value).splitlines()[1]) == {"overrides": ["model=tiny", told]}
    assert lock_file.read_text("utf-8") == text


def test_an_edit_that_the_overrides_ask_for_as_well_is_fine(lock_file: Path) -> None:
    text = re.sub(r"vocab_size: \d+", "vocab_size: 500", lock_file.read_text("utf-8"))
    lock_file.write_text(text, "utf-8")
    overrides = ["model=tiny", "tokenizer.vocab_size=500"]
    refuse_edits(lock_file, compose(CONF, overrides), overrides)


def test_other_line_ends_and_comments_are_no_edit(lock_file: Path) -> None:
    text = lock_file.read_text("utf-8").replace("model:", "# mine\nmodel:")
    lock_file.write_bytes(text.replace("\n", "\r\n").encode())
    refuse_edits(lock_file, compose(CONF, []), [])


@pytest.mark.parametrize(
    "text", ["", "<<<<<<< HEAD\na: 1\n=======\na: 2\n>>>>>>> b\n", "a: [", "1"]
)
def test_what_is_no_configuration_is_replaced_with_a_warning(
    lock_file: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    lock_file.write_text(text)
    refuse_edits(lock_file, compose(CONF, []), [])
    assert "is not YAML; it is written again" in caplog.text


def test_a_lock_file_without_its_hash_is_replaced_and_the_values_are_told(
    lock_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    values = compose(CONF, ["model=tiny"])
    values["tokenizer"]["vocab_size"] = 500
    lock_file.write_text(yaml.safe_dump(values))
    refuse_edits(lock_file, compose(CONF, ["model=tiny"]), [])
    assert caplog.messages[0].endswith("without: tokenizer.vocab_size=500")


def warnings(tmp_path: Path, before: object, now: list[str], caplog: Any) -> list[str]:
    path = tmp_path / "dvc.lock"
    compose_stage = {"params": {"params.yaml": {"overrides": before}}}
    path.write_text(yaml.safe_dump({"schema": "2.0", "stages": {"compose": compose_stage}}))
    caplog.set_level(logging.WARNING)
    warn_of_lost_source(path, now)
    messages: list[str] = caplog.messages
    return messages


@pytest.mark.parametrize("source", ["source=files", "source=[packages,qa:files]", "++source=local"])
def test_a_list_that_lost_its_source_is_told(
    tmp_path: Path, source: str, caplog: pytest.LogCaptureFixture
) -> None:
    now = ["tokenizer.vocab_size=4096"]
    (told,) = warnings(tmp_path, [source, "source.license=MIT", "model=tiny"], now, caplog)
    assert f"Lost: {source}, source.license=MIT, model=tiny." in told
    assert "`tohum sweep sweep.until=evaluate tokenizer.vocab_size=4096` adds to it" in told


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ([], ["tokenizer.vocab_size=4096"]),
        (None, []),
        (["model=tiny"], []),
        (["source=files"], ["source=tiny"]),
        (["source=files"], [" source=[tiny]"]),
        (["source.max_bytes=3"], []),
    ],
)
def test_a_list_with_a_source_or_that_never_had_one_is_not_told(
    tmp_path: Path, before: object, now: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    assert warnings(tmp_path, before, now, caplog) == []


@pytest.mark.parametrize(
    "text", ["", "schema: '2.0'\n", "<<<<<<< HEAD\n", "stages: {compose: 1}\n"]
)
def test_without_a_record_of_the_last_run_nothing_is_told(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "dvc.lock"
    warn_of_lost_source(path, [])
    path.write_text(text)
    warn_of_lost_source(path, [])
    assert caplog.messages == []
