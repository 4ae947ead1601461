import sys

import pytest

from tohum.progress import LOG_SECONDS, TERMINAL_SECONDS, progress_bar


@pytest.mark.parametrize(("terminal", "seconds"), [(True, TERMINAL_SECONDS), (False, LOG_SECONDS)])
def test_a_log_gets_few_lines(
    terminal: bool, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    with progress_bar("name", "B", shown=True, total=10) as bar:
        assert (bar.mininterval, bar.maxinterval) == (seconds, seconds)


def test_only_what_is_due_is_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tohum.progress.LOG_SECONDS", 3600.0)
    with progress_bar("name", "B", shown=True, total=1000) as bar:
        for _ in range(1000):
            bar.update()
    lines = [line for line in capsys.readouterr().err.split("\r") if line.strip()]
    assert len(lines) == 2  # the first and the last
    assert "1000/1000" in lines[-1]


def test_a_bar_that_is_not_shown_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("name", "B", shown=False) as bar:
        bar.update(5)
    assert capsys.readouterr().err == ""
