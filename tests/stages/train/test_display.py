import csv
import io
from contextlib import redirect_stderr
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from stages.train.display import Display, operations_per_token
from tests.tiny import model_and_train
from tohum.model.network import Network


def test_the_operations_of_a_token_are_those_that_pytorch_counts() -> None:
    for heads in ("model.num_key_value_heads=2", "model.num_key_value_heads=1"):
        config, _ = model_and_train(heads)
        network = Network(config, vocab_size=50)
        ids = torch.randint(9, 50, (3, 16))
        with FlopCounterMode(display=False) as counter:
            network(ids, ids).backward()
        counts = {str(name): count for name, count in counter.get_flop_counts()["Global"].items()}
        products = counts["aten.mm"]  # attention's own are counted for all pairs, not half of them
        scores = 6 * config.num_layers * config.context_length * config.hidden_size
        assert operations_per_token(config, 50) == products / ids.numel() + scores


def test_a_run_of_minutes_shows_the_seconds_that_are_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tohum.progress.LOG_SECONDS", 0)
    _, config = model_and_train("train.steps=null", "train.minutes=2")
    written = io.StringIO()
    with redirect_stderr(written):
        display = Display(config, 0, 0.0, 1e6, 1e12, None, shown=True)
        display.update(3, 29.6, 2.0)
        display.update(4, 120.4, 2.0)
        display.close()
    bars = written.getvalue().split("\r")
    assert any("29 of 120 s, 01:31 left, loss 2.000" in bar for bar in bars), bars
    assert "120 of 120 s, 00:00 left" in bars[-1]


def test_speeds_are_written_as_a_curve(tmp_path: Path) -> None:
    _, config = model_and_train()
    display = Display(config, 0, 0.0, 1e6, 1e12, tmp_path / "speed.csv", shown=False)
    for step in (1, 2, 3):
        display.update(step, 0.1 * step, 2.0)
    display.close()
    with (tmp_path / "speed.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["1"]  # then none for ten seconds
    assert float(rows[0]["tokens_per_second"]) > 0
    assert float(rows[0]["share_of_peak"]) > 0
