import re
import subprocess
import tempfile
from pathlib import Path

import pytest
import yaml
from dvc.utils.hydra import apply_overrides
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tohum.commands.sweep.overrides import (
    parse,
    point_hash,
    point_name,
    set_param,
    swept_values,
    without,
)
from tohum.errors import UserError

NOT_OVERRIDES = ["", "vocab", "???"]  # OmegaConf takes the last one for a value that is missing
TEXT = st.text(alphabet="abc=.,:'\"\\ []{}$()#%ş\t-+~@/*?^", max_size=12)


def through_dvc(overrides: list[str]) -> list[str]:
    """What `dvc exp run -S` makes of the list in params.yaml."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "params.yaml"
        path.write_text("overrides: []\n")
        apply_overrides(path, [set_param(overrides)])
        values = yaml.safe_load(path.read_text())["overrides"]
    assert isinstance(values, list)
    return values


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXT.filter(lambda text: text != "???"), max_size=3))
@example(["a=???", "'???'", "??"])
def test_overrides_reach_params_yaml_as_they_are(overrides: list[str]) -> None:
    assert through_dvc(overrides) == overrides


def test_a_quoted_list_and_an_interpolation_reach_params_yaml() -> None:
    overrides = ["source.paths=['a b/*.parquet', \"c\"]", "train.seed=${model.num_layers}"]
    assert through_dvc(overrides) == overrides


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(TEXT, TEXT, max_size=3))
def test_a_name_is_a_name_for_git(swept: dict[str, str]) -> None:
    ref = f"refs/exps/00/11/{point_name(swept, point_hash(1))}"
    assert subprocess.run(["git", "check-ref-format", ref], check=False).returncode == 0


def test_a_name_tells_the_values_and_what_else_differs() -> None:
    swept = {"tokenizer.vocab_size": "2048", "tokenizer.min_frequency": "2"}
    assert point_name(swept, "abc") == "vocab_size-2048_min_frequency-2_abc"
    assert point_hash([swept, "tokenizer"]) != point_hash([swept, "evaluate"])


def test_an_override_of_the_same_key_replaces_the_earlier() -> None:
    assert without(["model=tiny", "++train.seed=1"], ["train.seed"]) == ["model=tiny"]


@pytest.mark.parametrize(
    ("argument", "values"),
    [
        ("a.b=1,2", ["1", "2"]),
        ("a.b=choice(x,y)", ["x", "y"]),
        ("a.b=range(1,4)", ["1", "2", "3"]),
        ("a.b=interval(1,2.5)", ["1", "2.5"]),
    ],
)
def test_every_kind_of_sweep_has_values(argument: str, values: list[str]) -> None:
    assert list(swept_values(parse([argument])[0])) == values


@pytest.mark.parametrize("argument", NOT_OVERRIDES)
def test_an_argument_that_is_not_an_override_is_named(argument: str) -> None:
    with pytest.raises(UserError, match=re.escape(f"'{argument}' is not an override")):
        parse([argument])
