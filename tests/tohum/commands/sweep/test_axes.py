import importlib.util
import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import PROJECT
from tohum.commands.sweep.axes import axes, read_arguments
from tohum.commands.sweep.overrides import parse
from tohum.commands.sweep.repository import code_state, unstashed
from tohum.errors import UserError

CONF = PROJECT / "conf"
SIZE = "tokenizer.vocab_size"


def refusal(*arguments: str, search: bool = False) -> str:
    with pytest.raises(UserError) as refused:
        axes(read_arguments(CONF, list(arguments)), search)
    return str(refused.value)


@pytest.mark.parametrize(
    ("argument", "values"),
    [
        ("pretokenizer=glob(*)", ["gpt2", "gpt4"]),
        ("model=glob([o*,la*])", ["laptop", "one_hour"]),
        ("model=glob(*,exclude=[t*,s*])", ["laptop", "one_hour"]),
        (f"{SIZE}=300", ["300"]),
        ("jsonl.fields={user:a},{user:b}", ["{user:a}", "{user:b}"]),
    ],
)
def test_every_swept_key_has_its_values(argument: str, values: list[str]) -> None:
    (override,) = read_arguments(CONF, [argument])
    assert axes([override], search=False) == {override.key_or_group: values}


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ("pretokenizer=glob(zz*)", "chooses no preset. There are: gpt2, gpt4."),
        (f"{SIZE}=glob(*)", f"glob chooses presets, and conf/ has none for '{SIZE}'"),
        (f"{SIZE}=interval(300,400)", "or search with hydra/sweeper=optuna"),
        (f"{SIZE}=choice()", "empty choice"),
        (f"{SIZE}=range(1,5,step=0)", "has no values: range() arg 3 must not be zero."),
        (f"{SIZE}=range(5,1)", "has no values."),
        (f"{SIZE}=range(1,1000000000)", "has more than 1,000 values: give a larger step"),
        (f"{SIZE}=300,400,", f'Did you mean "{SIZE}=300,400"?'),
        (f"{SIZE} = 300,400", f'Did you mean "{SIZE}=300,400"?'),
        (f"--{SIZE}=300,400", f'Did you mean "{SIZE}=300,400"?'),
        ("source.path=/a,ö", "Did you mean \"source.path='/a,ö'\"?"),
        ("tokenzier.vocab_size=300,400", "Did you mean 'tokenizer.vocab_size'?"),
        ("pretokeniser=gpt2,gpt4", "Did you mean 'pretokenizer'?"),
        ("hydra/launcher=rq", "pip install -c constraints.txt hydra-rq-launcher"),
        ("hydra/sweeper=ax", "pip install -c constraints.txt hydra-ax-sweeper"),
        ("hydra/launcher=jobib", "hydra/launcher has no 'jobib'. Did you mean 'joblib'?"),
        ("hydra/sweeper=zzz", "hydra/sweeper has no 'zzz'. Known: basic"),
        ("hydra/sweeper=glob(*)", "hydra/sweeper has several values, expected one"),
        ("sweep.until=tokenizer,evaluate", "sweep.until has several values, expected one"),
        ("sweep=3", "'sweep=3' replaces a whole section"),
        ("hydra.sweeper=null", "'hydra.sweeper=null' replaces a whole section"),
        ("~hydra", "'~hydra' replaces a whole section"),
    ],
)
def test_a_malformed_override_is_told_with_what_to_write(argument: str, told: str) -> None:
    assert told in refusal(argument)


def test_an_interval_is_for_a_search() -> None:
    values = axes(parse([f"{SIZE}=interval(300,400)"]), search=True)
    assert values == {SIZE: ["300", "400"]}


@pytest.mark.parametrize("other", [f"{SIZE}=500", f"+{SIZE}=500,600"])
def test_a_key_that_is_given_twice_is_refused(other: str) -> None:
    assert refusal(f"{SIZE}=300", other).startswith(f"'{SIZE}=300' and '{other}' set the same key")


def test_without_an_identity_for_git_no_point_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    for arguments in (["init"], ["commit", "--allow-empty", "--message", "start"]):
        subprocess.run(
            ["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True
        )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "none"))
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", str(tmp_path / "none"))
    for who in ("AUTHOR", "COMMITTER"):
        for field in ("NAME", "EMAIL"):
            monkeypatch.delenv(f"GIT_{who}_{field}", raising=False)
    with pytest.raises(UserError, match=re.escape('git config --global user.name "Your Name" &&')):
        code_state(tmp_path)
    for who in ("AUTHOR", "COMMITTER"):
        for field in ("NAME", "EMAIL"):
            monkeypatch.setenv(f"GIT_{who}_{field}", "test@example.org")
    assert len(code_state(tmp_path)[0]) == 40


def test_a_folder_without_dvc_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no \.dvc, where DVC keeps"), unstashed(tmp_path):
        raise AssertionError


@pytest.mark.skipif(
    importlib.util.find_spec("hydra_plugins.hydra_ray_launcher") is not None,
    reason="the launcher of Ray is installed here",
)
def test_the_launcher_of_ray_is_to_be_installed_without_its_old_dependencies() -> None:
    assert "-e '.[cluster]' && python -m pip install --no-deps hydra-ray-launcher" in refusal(
        "hydra/launcher=ray"
    )
