import csv
import math
import random
import shutil
import signal
import time
from dataclasses import asdict, replace
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from stages.train.batches import Windows
from stages.train.checkpoint import checkpoints, newest_checkpoint, read_state
from stages.train.config import Train
from stages.train.pretraining import COLUMNS, facts_of, train
from stages.train.run import Run
from tests.tiny import (
    SHORT_RUN,
    file_bytes,
    model_and_train,
    runtime,
    start_stage,
    write_project,
    write_tokens,
)
from tohum.errors import UserError
from tohum.formats.tokens import read_meta, read_split
from tohum.model.config import Model
from tohum.model.determinism import set_determinism
from tohum.model.weights import FACTS, WEIGHTS, read_facts, read_network

pytestmark = pytest.mark.slow


TOKENIZER = Path("models/tokenizer")
TOKENS = Path("data/tokens")


class Stopped(Exception):
    """Raised from outside in the middle of a run."""


@pytest.fixture(autouse=True)
def project(inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(inputs, tmp_path, dirs_exist_ok=True)


def trained(*overrides: str, out: str = "out") -> Path:
    """Runs the stage and returns the folder of the weights."""
    model, config = model_and_train(*overrides)
    train(
        model,
        config,
        runtime(),
        tokens=TOKENS,
        tokenizer_folder=TOKENIZER,
        out=Path(out),
        plot=Path(f"{out}.csv"),
    )
    return Path(out)


def weights(folder: Path) -> bytes:
    return (folder / WEIGHTS).read_bytes()


def rows(path: str = "out.csv") -> list[dict[str, str]]:
    with Path(path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def facts(folder: str = "out") -> dict[str, Any]:
    return read_facts(Path(folder), TOKENS)


def work(name: str) -> Path:
    """A work directory."""
    path = Path(name)
    path.mkdir(exist_ok=True)
    return path


def new_run(model: Model, config: Train, checkpoint_seconds: float = 60) -> Run:
    set_determinism(config.seed, config.threads)
    return Run(model, config, runtime(1, checkpoint_seconds), TOKENS, TOKENIZER)


def test_training_twice_gives_the_same_files() -> None:
    one, two = trained(out="one"), trained(out="two")
    assert sorted(file_bytes(one)) == [FACTS, WEIGHTS]
    assert file_bytes(one) == file_bytes(two)
    assert Path("one.csv").read_bytes() == Path("two.csv").read_bytes()


def test_another_seed_gives_another_model() -> None:
    assert weights(trained(out="one")) != weights(trained("train.seed=1", out="two"))


def test_samples_are_shown_and_change_no_byte_of_the_weights(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    without = trained(out="without")  # a run of so few seconds shows none
    assert "writes:" not in caplog.text
    monkeypatch.setattr("stages.train.glimpses.SHARE", 1e9)
    shown = trained(out="shown")
    assert caplog.text.count("writes: ") == 2
    assert file_bytes(without) == file_bytes(shown)
    assert Path("without.csv").read_bytes() == Path("shown.csv").read_bytes()


def test_no_samples_are_shown_where_runtime_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr("stages.train.glimpses.SHARE", 1e9)
    model, config = model_and_train()
    run = Run(model, config, replace(runtime(), samples=False), TOKENS, TOKENIZER)
    run.train(work("silent"))
    assert "bits per byte" in caplog.text
    assert "writes:" not in caplog.text


def test_a_run_that_learns_by_heart_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    shutil.rmtree(TOKENS)
    learned, held_out = "x = [1, 2, 3]\n" * 4, 'def g():\n    raise KeyError("q")\n'
    write_tokens(TOKENS, TOKENIZER, [learned], [held_out])
    trained("train.steps=60", "train.evaluate_every=2", "train.learning_rate=0.02")
    assert caplog.text.count("learning them by heart") == 1


def test_no_work_is_left_after_a_good_run() -> None:
    trained()
    assert not [path for path in Path(".work/train").iterdir() if path.is_dir()]


def test_a_model_learns() -> None:
    fast = ("train.steps=60", "train.learning_rate=0.02")
    trained(*fast, "train.evaluate_every=60", "train.log_every=60")
    trained("train.steps=1", "train.learning_rate=1e-8", "train.evaluate_every=1", out="before")
    after, before = (float(rows(path)[-1]["bits_per_byte"]) for path in ("out.csv", "before.csv"))
    assert after < 0.8 * before


@pytest.mark.parametrize(
    ("steps", "precision"),
    [(1, "float32"), (5, "float32"), (11, "float32"), (5, "bfloat16"), (5, "float16")],
)
def test_a_run_stopped_after_some_steps_resumes_to_the_same_weights(
    steps: int, precision: str
) -> None:
    model, config = model_and_train("train.steps=12", f"train.precision={precision}")
    whole = new_run(model, config)
    whole.train(work("whole"))
    stopped = new_run(model, config)
    stopped.gradients.windows = [
        Stopping(config, windows.length, steps) for windows in stopped.gradients.windows
    ]
    with pytest.raises(Stopped):
        stop_with_a_checkpoint(stopped)
    resumed = new_run(model, config)
    resumed.train(work("stopped"))
    assert same(whole, resumed)
    assert resumed.state.rows == whole.state.rows
    assert resumed.state.step == 12


def test_windows_grow_over_the_first_share_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = []
    whole_batch = Windows.batch

    def batch(self: Windows, first: int, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        ids, targets = whole_batch(self, first, count)
        shapes.append((first, *ids.shape))
        return ids, targets

    monkeypatch.setattr(Windows, "batch", batch)
    model, config = model_and_train(
        "model.context_length=64",
        "train.tokens_per_step=128",
        "train.micro_batch_tokens=64",
        "train.steps=5",
        "train.context_doublings=2",
        "train.context_growth_share=0.8",
    )
    new_run(model, config).train(work("grown"))
    length, windows = model.context_length, config.micro_batch_tokens // model.context_length
    expected = []
    for step, halvings in enumerate((2, 2, 1, 1, 0)):
        for first in range(0, config.tokens_per_step // length, windows):
            number = step * (config.tokens_per_step // length) + first
            expected.append((number << halvings, windows << halvings, length >> halvings))
    assert shapes == expected


class Stopping(Windows):
    """Training windows that end with an exception."""

    def __init__(self, config: Train, length: int, steps: int) -> None:
        super().__init__(read_split(TOKENS, "train"), length, config.seed, config.fim_share)
        self.end = steps * config.tokens_per_step // length

    def batch(self, first: int, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        if first >= self.end:
            raise Stopped
        return super().batch(first, count)


def stop_with_a_checkpoint(run: Run) -> None:
    run.runtime = runtime(1, checkpoint_seconds=0)
    run.train(work("stopped"))


def same(one: Run, two: Run) -> bool:
    """Whether weights and optimisers are the same to the bit."""
    mine, other = (
        [run.weights(), *(optimizer.state_dict() for optimizer in run.optimizers)]
        for run in (one, two)
    )
    return equal(mine, other)


def equal(one: Any, two: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, two)
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(equal(one[key], two[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(two) and all(map(equal, one, two))
    return bool(one == two)


def test_a_run_stopped_at_any_moments_gives_the_same_model() -> None:
    model, config = model_and_train("train.steps=40")
    whole = new_run(model, config)
    whole.train(work("whole"))

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise Stopped

    before = signal.signal(signal.SIGALRM, stop)
    moments = random.Random(0)
    stops = 0
    try:
        for _ in range(6):
            run = new_run(model, config, checkpoint_seconds=0)
            signal.setitimer(signal.ITIMER_REAL, moments.uniform(0.05, 0.15))
            try:
                run.train(work("stopped"))
            except Stopped:
                stops += 1
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert stops
    resumed = new_run(model, config)
    resumed.train(work("stopped"))
    assert same(whole, resumed)
    assert resumed.state.rows == whole.state.rows


def seconds_per_step() -> float:
    """How long a step takes when nothing else runs: the shortest of some."""
    model, config = model_and_train()
    run = new_run(model, config)
    run.train(work("timed"))
    took = []
    for _ in range(40):
        started = time.perf_counter()
        run._step(0.5)
        took.append(time.perf_counter() - started)
    return min(took)


def test_a_killed_process_is_followed_by_the_same_model() -> None:
    steps = max(60, math.ceil(2 / seconds_per_step()))  # 2 seconds: checkpoints come each second
    overrides = (
        *SHORT_RUN,
        "model.context_length=16",
        "model.hidden_size=16",
        f"train.steps={steps}",
        "train.log_every=50",
        "train.evaluate_every=1000",
    )
    write_project(Path(), *overrides)
    process = start_stage(Path(), "train")
    try:
        until = time.monotonic() + 90
        while not (found := list(Path(".work/train").glob("*/checkpoint-*.pt"))):
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < until
            time.sleep(0.01)
        time.sleep(random.uniform(0, 0.1))
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    found = checkpoints(found[0].parent)
    step = read_state(found[0]).step
    assert 0 < step < steps
    resumed = trained(*overrides, out="resumed")
    assert not found[0].exists()  # it was this checkpoint that the second run resumed from
    shutil.rmtree(".work")
    whole = trained(*overrides, out="whole")
    assert weights(resumed) == weights(whole)
    assert rows("resumed.csv") == rows("whole.csv")
    assert facts("resumed") == facts("whole")


def test_a_finished_run_takes_no_further_step() -> None:
    model, config = model_and_train()
    first = new_run(model, config)
    first.train(work("done"))
    written = file_bytes(work("done"))
    again = new_run(model, config)
    again.train(work("done"))
    assert same(first, again)
    assert file_bytes(work("done")) == written


def test_a_run_of_minutes_ends_at_its_time() -> None:
    started = time.monotonic()
    trained("train.steps=null", "train.minutes=0.05", "train.evaluate_every=100000")
    assert time.monotonic() - started >= 3
    assert facts()["steps"] > 1
    assert float(rows()[-1]["learning_rate"]) < 0.5 * max(
        float(row["learning_rate"]) for row in rows()
    )


MINUTES = ("train.steps=null", "train.minutes=0.1", "train.evaluate_every=100000")


def slow_start(run: Run, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Has a run take its time before the first step, as compiling does."""
    monkeypatch.setattr(run, "_try_out", lambda: time.sleep(seconds))


def test_what_passes_before_the_first_step_is_no_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    run = new_run(*model_and_train(*MINUTES))
    slow_start(run, monkeypatch, 3)
    seen: list[float] = []
    real = run._step

    def step(done: float) -> float:
        seen.append(done)
        return real(done)

    monkeypatch.setattr(run, "_step", step)
    started = time.monotonic()
    run.train(work("slow"))
    assert time.monotonic() - started >= 6
    assert seen[0] < 0.1 and len(seen) > 1, "half of the time had passed"


def test_a_run_whose_time_is_up_before_the_first_step_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = new_run(*model_and_train(*MINUTES))
    slow_start(run, monkeypatch, 6.1)
    with pytest.raises(UserError, match=r"train\.minutes is 0\.1, and \d+ s had passed before"):
        run.train(work("slow"))
    assert run.state.step == 0


def test_a_run_may_be_resumed_with_another_micro_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    model, config = model_and_train("train.micro_batch_tokens=64", "train.steps=4")
    first = new_run(model, config, checkpoint_seconds=0)
    real = first._step

    def stop(done: float) -> float:
        if first.state.step == 2:
            raise Stopped
        return real(done)

    monkeypatch.setattr(first, "_step", stop)
    with pytest.raises(Stopped):
        first.train(work("resumed"))
    smaller = new_run(model, replace(config, micro_batch_tokens=16))
    assert smaller.key == first.key
    smaller.train(work("resumed"))
    assert smaller.state.step == 4 and smaller.gradients.micro_batch == 1


def test_a_resumed_run_goes_on_with_the_micro_batch_that_fitted() -> None:
    """Else the gradients of the rest would be summed in another order than without the kill."""
    model, config = model_and_train("train.micro_batch_tokens=64", "train.steps=4")
    first = new_run(model, config)
    first.gradients.restrict(2)
    first.train(work("halved"))
    again = new_run(model, config)
    again.train(work("halved"))
    assert again.gradients.micro_batch == 2
    assert facts_of(again, TOKENS, read_meta(TOKENS))["halved_micro_batch_tokens"] == 32


def test_a_smaller_micro_batch_gives_the_same_loss_up_to_rounding() -> None:
    trained("train.micro_batch_tokens=64", out="one")
    trained("train.micro_batch_tokens=16", out="two")
    for one, two in zip(rows("one.csv"), rows("two.csv"), strict=True):
        assert float(one["loss"]) == pytest.approx(float(two["loss"]), abs=2e-4)


def test_the_curve_has_a_row_for_each_logged_step() -> None:
    trained("train.steps=12", "train.log_every=5", "train.evaluate_every=4")
    found = rows()
    assert tuple(found[0]) == COLUMNS
    assert [int(row["step"]) for row in found] == [4, 5, 8, 10, 12]
    assert [bool(row["bits_per_byte"]) for row in found] == [True, False, True, False, True]
    assert [int(row["tokens"]) for row in found] == [64 * int(row["step"]) for row in found]


DIVERGING = (
    "train.learning_rate=10",
    "train.weight_decay=10",  # each step multiplies every weight by 1 - 10 x 10
    "train.warmup_share=0",
    "train.cooldown_share=0",
    "train.steps=200",
    "train.evaluate_every=1000",
)
VALUES = (
    r"the run diverged\. Lower train\.learning_rate \(10\.0\) or lengthen "
    r"train\.warmup_share \(0\.0\)"
)


def test_a_diverging_run_ends_with_the_values_to_change() -> None:
    with pytest.raises(
        UserError, match=r"the (loss|gradient) at step \d+ is (nan|inf|not finite): " + VALUES
    ):
        trained(*DIVERGING)
    assert not Path("out").exists()


def test_a_diverging_run_leaves_the_checkpoints_from_before() -> None:
    model, config = model_and_train(*DIVERGING)
    run = new_run(model, config, checkpoint_seconds=0)
    with pytest.raises(UserError):
        run.train(work("diverged"))
    newest = newest_checkpoint(Path("diverged"))
    assert newest is not None
    saved = read_state(newest)
    assert saved.step == run.state.step > 0
    assert all(math.isfinite(float(row["loss"])) for row in saved.rows)


@pytest.mark.parametrize(
    ("device", "there"),
    [("cuda", torch.cuda.is_available()), ("mps", torch.backends.mps.is_available())],
)
def test_a_device_that_is_not_there_is_refused(device: str, there: bool) -> None:
    if there:
        pytest.skip(f"{device} is there")
    message = rf"train\.device is {device}, which this machine does not have\. Available: .*cpu"
    with pytest.raises(UserError, match=message):
        trained(f"train.device={device}")


def test_tokens_of_another_tokenizer_are_refused() -> None:
    with (TOKENIZER / "tokenizer.json").open("a", encoding="utf-8") as file:
        file.write("\n")
    with pytest.raises(UserError, match=r"not encoded with the tokenizer .*`dvc repro encode`"):
        trained()


def test_a_corpus_smaller_than_a_window_is_repeated(caplog: pytest.LogCaptureFixture) -> None:
    shutil.rmtree(TOKENS)
    write_tokens(TOKENS, TOKENIZER, ["x = 1"], ["y = 2"])
    trained()
    size = len(read_split(TOKENS, "train").ids)
    assert f"has {size} tokens, less than two windows" in caplog.text
    assert rows()[-1]["bits_per_byte"]


def test_the_facts_are_those_of_the_run() -> None:
    trained()
    found, meta = facts(), read_meta(TOKENS)
    model, config = model_and_train()
    assert (found["model"], found["train"]) == (asdict(model), asdict(config))
    assert (found["steps"], found["tokens"]) == (6, 6 * 64)
    assert found["epochs"] == round(6 * 64 / meta["train"]["tokens"], 4)
    assert (found["threads"], found["processes"], found["precision"]) == (1, 1, "float32")
    assert found["device"] == "cpu"


def test_the_weights_are_those_of_the_network() -> None:
    folder = trained()
    network = read_network(folder, facts())
    state = network.state_dict()
    assert load_file(folder / WEIGHTS).keys() == state.keys()
    assert {weight.dtype for weight in state.values()} == {torch.float32}
    assert not network.training
