from pathlib import Path

import pytest

from tohum.dependencies import PROJECT, code_files, is_code
from tohum.errors import UserError

DVC_YAML = """\
stages:
  train:
    cmd: python -m stages.train
    deps:
      - conf/prompts.txt
      - data/tokens
      - stages/train
      - tohum/formats/tokens.py
  lost:
    cmd: python -m stages.lost
    deps: [stages/lost]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("stages/train/run.py", "stages/train/deep/er.py", "tohum/formats/tokens.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "tohum/formats/raw.py").write_text("")
    (tmp_path / "data/tokens").mkdir(parents=True)
    (tmp_path / "dvc.yaml").write_text(DVC_YAML)
    return tmp_path


def listed(project: Path) -> list[str]:
    return [path.relative_to(project).as_posix() for path in code_files("train", project)]


def test_the_code_of_a_stage_is_what_dvc_yaml_lists_below_the_two_packages(project: Path) -> None:
    expected = ["stages/train/deep/er.py", "stages/train/run.py", "tohum/formats/tokens.py"]
    assert listed(project) == expected


@pytest.mark.parametrize(
    "name", [".run.py.swp", ".#run.py", "#run.py#", "run.py~", "run.py.orig", ".DS_Store", "4913"]
)
def test_what_an_editor_leaves_is_not_code(project: Path, name: str) -> None:
    before = listed(project)
    (project / "stages/train" / name).write_text("x")
    assert listed(project) == before


def test_a_table_that_code_loads_is_code(tmp_path: Path) -> None:
    (tmp_path / "humaneval.npz").write_bytes(b"")
    assert is_code(tmp_path / "humaneval.npz")


def test_an_unknown_stage_is_refused_by_name(project: Path) -> None:
    with pytest.raises(UserError, match=r"has no stage 'trian': train, lost"):
        code_files("trian", project)


def test_code_that_is_not_there_is_refused_by_name(project: Path) -> None:
    with pytest.raises(UserError, match=r"lists stages/lost for the stage 'lost'"):
        code_files("lost", project)


def test_every_table_of_the_project_counts() -> None:
    tables = {path for path in (PROJECT / "tohum").rglob("*.npz") if ".venv" not in path.parts}
    assert tables <= set(code_files("jsonl"))
