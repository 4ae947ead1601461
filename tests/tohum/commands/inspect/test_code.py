import re
from pathlib import Path

import pytest

from tohum.commands.inspect.source import inspect_source
from tohum.errors import UserError


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_folder_of_code_is_told_by_suffix_with_what_git_ignores(tmp_path: Path) -> None:
    for number in range(3):
        write(tmp_path / "src" / f"{number}.py", "# the value of it\nx = 1\n")
    write(tmp_path / "app.js", "let x = 1\n")
    write(tmp_path / "package.json", '{"name": "app"}')
    write(tmp_path / "build" / "out.js", "let y = 1\n")
    write(tmp_path / ".gitignore", "build/\n*.log\n")
    write(tmp_path / "run.log", "nothing")
    told = "\n".join(inspect_source(str(tmp_path), 10, 100))

    assert "a folder of code, 4 files" in told
    assert re.search(r"\.py +3 +72 bytes", told)
    assert re.search(r"\.js +1 +10 bytes", told)
    assert re.search(r"ignored folder +1", told)
    assert re.search(r"ignored file +1", told)
    assert "- source=local" in told
    assert f"""'source.path="{tmp_path}"'""" in told


def test_a_folder_with_nothing_to_train_on_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "picture.png", "not one")

    with pytest.raises(UserError, match=r"neither data files nor files of code .*1 other suffix"):
        inspect_source(str(tmp_path), 10, 100)
