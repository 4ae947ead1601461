from pathlib import Path

import pytest

from tohum.errors import UserError
from tohum.sources.user_paths import INVALID_NAME, user_path


@pytest.mark.parametrize("pattern", ["data/*.csv", "**/x.csv", "a?.csv"])
def test_a_pattern_which_windows_takes_for_no_name_is_returned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str
) -> None:
    def refuse(_: Path) -> None:
        error = OSError(22, "The filename, directory name, or volume label syntax is incorrect")
        error.winerror = INVALID_NAME  # type: ignore[attr-defined, unused-ignore]
        raise error

    monkeypatch.setattr(Path, "stat", refuse)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    assert user_path("source.paths", pattern) == tmp_path / pattern


def test_another_error_of_the_system_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    with pytest.raises(UserError, match=r"source\.paths is .* cannot be read \(File name too long"):
        user_path("source.paths", "x" * 5000)
