"""Several processes on the CPU, which talk through gloo, against one."""

import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file

from stages.train.checkpoint import checkpoints
from stages.train.pretraining import train
from tests.processes import PATIENCE
from tests.tiny import (
    SHORT_RUN,
    file_bytes,
    model_and_train,
    run_stage,
    runtime,
    start_python,
    start_stage,
    write_project,
)
from tohum.model.weights import WEIGHTS, read_facts

pytestmark = pytest.mark.slow


MICRO_BATCH = "train.micro_batch_tokens=16"
SMALL = ("model.context_length=16", "model.hidden_size=16", *SHORT_RUN, MICRO_BATCH)

Reference = Callable[..., Path]


@pytest.fixture(scope="module")
def one(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """Trains in this process alone, once for each set of overrides, and returns the root."""

    @cache
    def trained(*overrides: str) -> Path:
        root = Path(shutil.copytree(inputs, tmp_path_factory.mktemp("one"), dirs_exist_ok=True))
        train_here(root, *overrides)
        return root

    return trained


def train_here(root: Path, *overrides: str) -> None:
    """Runs the stage, or goes on with it, in this process: a new one needs 3 s to import torch."""
    model, config = model_and_train(MICRO_BATCH, *overrides)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DVC_ROOT", raising=False)
        patch.chdir(root)
        train(
            model,
            config,
            runtime(),
            tokens=Path("data/tokens"),
            tokenizer_folder=Path("models/tokenizer"),
            out=Path("models/weights"),
            plot=Path("plots/train.csv"),
        )


def run(inputs: Path, root: Path, *overrides: str) -> Path:
    """Runs the stage in a project of its own and returns its root."""
    shutil.copytree(inputs, root, dirs_exist_ok=True)
    write_project(root, *SMALL, *overrides)
    run_stage(root, "train")
    return root


def losses(root: Path) -> list[float]:
    lines = (root / "plots/train.csv").read_text(encoding="utf-8").splitlines()[1:]
    return [float(line.split(",")[3]) for line in lines]


def weights(root: Path) -> dict[str, torch.Tensor]:
    return load_file(root / "models/weights" / WEIGHTS)


def close(one: Path, two: Path) -> bool:
    mine, other = weights(one), weights(two)
    return all(torch.allclose(mine[name], other[name], atol=2e-4) for name in mine)


def test_two_processes_train_as_one_does(inputs: Path, one: Reference, tmp_path: Path) -> None:
    two = run(inputs, tmp_path / "two", "train.processes=2")
    assert losses(two) == pytest.approx(losses(one()), abs=2e-4)
    assert close(one(), two)
    assert read_facts(two / "models/weights", two / "data/tokens")["processes"] == 2


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_sharded_network_trains_as_a_whole_one(
    optimizer: str, inputs: Path, one: Reference, tmp_path: Path
) -> None:
    chosen = f"train.optimizer={optimizer}"
    two = run(inputs, tmp_path / "two", chosen, "train.processes=2", "train.sharding=full")
    assert losses(two) == pytest.approx(losses(one(chosen)), abs=2e-4)
    assert close(one(chosen), two)


def test_two_processes_end_with_their_stage_and_one_resumes_where_they_were(
    inputs: Path, one: Reference, tmp_path: Path
) -> None:
    long = ("train.steps=400", "train.evaluate_every=1000", "train.log_every=50")
    root = tmp_path / "stopped"
    shutil.copytree(inputs, root)
    write_project(root, *SMALL, *long, "train.processes=2")
    process = start_stage(root, "train")
    try:
        found = wait_for_a_checkpoint(root, process)
        workers = descendants(process.pid)
        assert len(workers) == 3, "the launcher and its two"
    finally:
        process.kill()
        process.communicate()
    until = time.monotonic() + PATIENCE
    while any(map(psutil.pid_exists, workers)):
        assert time.monotonic() < until
        time.sleep(0.05)
    step = int(checkpoints(found.parent)[0].stem.split("-")[1])
    assert 0 < step < 400
    train_here(root, *long)
    assert not list(root.glob(".work/train/*/checkpoint-*.pt"))  # it was this one that went on
    assert losses(root) == pytest.approx(losses(one(*long)), abs=5e-2)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_sharded_network_is_saved_in_shards_from_which_any_number_resumes(
    optimizer: str, inputs: Path, one: Reference, tmp_path: Path
) -> None:
    chosen = (f"train.optimizer={optimizer}", "train.sharding=full")
    long = (*chosen, "train.steps=400", "train.evaluate_every=1000", "train.log_every=50")
    stopped = shutil.copytree(inputs, tmp_path / "stopped")
    write_project(stopped, *SMALL, *long, "train.processes=2")
    process = start_stage(stopped, "train")
    try:
        saved = wait_for_a_checkpoint(stopped, process)
    finally:
        process.kill()
        process.communicate()
    names = {path.name for path in saved.iterdir()}
    assert names == {".metadata", "__0_0.distcp", "__1_0.distcp"}
    for count in (1, 2):
        root = shutil.copytree(stopped, tmp_path / str(count))
        write_project(root, *SMALL, *long, f"train.processes={count}")
        resumed = start_stage(root, "train")
        _, errors = resumed.communicate(timeout=PATIENCE)
        assert resumed.returncode == 0, errors
        assert f"resuming from step {saved.stem.split('-')[1]}" in errors
        assert losses(root) == pytest.approx(losses(one(*long)), abs=5e-2)


ONE_IS_SHORT_OF_MEMORY = """
import os
from tohum.process import run_stage
from stages.train.__main__ import main
from tohum.model.network import Network

def forward(network, ids, targets):
    if os.environ["RANK"] == "1" and ids.numel() > 16:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried")
    return whole_forward(network, ids, targets)

whole_forward, Network.forward = Network.forward, forward
run_stage("train", main)
"""


def run_short_of_memory(inputs: Path, root: Path, *overrides: str) -> tuple[int, str]:
    """Runs two processes, of which the second can hold one window; returns exit code and errors."""
    shutil.copytree(inputs, root)
    write_project(root, *SMALL, "train.micro_batch_tokens=32", "train.processes=2", *overrides)
    (root / "short.py").write_text(ONE_IS_SHORT_OF_MEMORY)
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    process = start_python(root, *launcher, "short.py")
    _, errors = process.communicate(timeout=PATIENCE)
    return process.returncode, errors


def test_processes_agree_on_a_micro_batch_that_fits_the_memory_of_each(
    inputs: Path, one: Reference, tmp_path: Path
) -> None:
    code, errors = run_short_of_memory(inputs, tmp_path / "two", "train.evaluate_every=1000")
    assert code == 0, errors
    assert "has too little memory: continuing with micro-batches of 16 tokens" in errors
    assert close(one(), tmp_path / "two")


def test_a_sharded_network_without_memory_ends_with_an_error(inputs: Path, tmp_path: Path) -> None:
    code, errors = run_short_of_memory(inputs, tmp_path / "two", "train.sharding=full")
    assert code != 0
    assert "too little memory for a micro-batch of 32 tokens. Lower" in errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_processes_that_are_asked_to_stop_save_first(
    inputs: Path, tmp_path: Path, number: signal.Signals
) -> None:
    shutil.copytree(inputs, tmp_path, dirs_exist_ok=True)
    write_project(tmp_path, *SMALL, "train.steps=100000", "train.processes=2")
    process = start_stage(tmp_path, "train")
    try:
        wait_for_a_checkpoint(tmp_path, process)
        process.send_signal(number)
        _, errors = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert process.returncode == 130, errors
    assert "run `dvc repro` to" in errors
    (folder,) = tmp_path.glob(".work/train/*/")
    step = int(checkpoints(folder)[0].stem.split("-")[1])
    assert f"saved at step {step}" in errors


def test_the_exit_code_is_that_of_the_processes(inputs: Path, tmp_path: Path) -> None:
    shutil.copytree(inputs, tmp_path, dirs_exist_ok=True)
    write_project(tmp_path, *SMALL, "train.processes=2")
    (tmp_path / "data/tokens/train.bin").write_bytes(b"")
    process = start_stage(tmp_path, "train")
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "data/tokens/train.bin" in errors


def start_node(
    root: Path, port: int, address: str, *command: str, restarts: int = 3
) -> "subprocess.Popen[str]":
    """Starts what a node runs, as docs/cluster.md says, on an address of its own."""
    variables = {
        "PET_NNODES": "2",
        "PET_NPROC_PER_NODE": "1",
        "PET_RDZV_BACKEND": "c10d",
        "PET_RDZV_ENDPOINT": f"127.0.0.1:{port}",
        "PET_RDZV_ID": "test",
        # on loopback, either would host the store of the two
        "PET_RDZV_CONF": f"is_host={int(command == STAGE)},read_timeout={PATIENCE}",
        "PET_LOCAL_ADDR": address,
        "PET_MAX_RESTARTS": str(restarts),
        "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",  # else a node that is replaced waits forever
        "GLOO_SOCKET_IFNAME": "lo",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        return start_python(root, *command)


STAGE = ("-m", "stages.train")  # what DVC runs, on the first node
JOIN = ("-m", "torch.distributed.run", "-m", "stages.train")  # torchrun, on the others


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2 is an address here on Linux alone")
def test_a_node_that_dies_is_replaced_and_the_run_ends_in_the_same_bytes(
    inputs: Path, tmp_path: Path
) -> None:
    long = ("train.steps=150", "train.evaluate_every=1000", "train.log_every=50")
    whole = run(inputs, tmp_path / "whole", *long, "train.processes=2")
    root, port = shutil.copytree(inputs, tmp_path / "nodes"), free_port()
    write_project(root, *SMALL, *long, "train.processes=2")
    first = start_node(root, port, "127.0.0.1", *STAGE)
    second = start_node(root, port, "127.0.0.2", *JOIN)
    try:
        wait_for_a_checkpoint(root, first)
        second.kill()
        second.communicate()
        second = start_node(root, port, "127.0.0.2", *JOIN)
        _, errors = first.communicate(timeout=PATIENCE)
        assert first.returncode == 0, errors
        second.communicate(timeout=PATIENCE)
        assert second.returncode == 0
    finally:
        first.kill()
        second.kill()
    assert "resuming from step" in errors
    for path in ("models/weights", "plots/train.csv"):
        assert bytes_below(root / path) == bytes_below(whole / path)


def bytes_below(path: Path) -> dict[str, bytes]:
    """The bytes of a file, or of each file of a folder."""
    return file_bytes(path) if path.is_dir() else {path.name: path.read_bytes()}


@pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2 is an address here on Linux alone")
def test_nodes_that_share_no_project_are_told(inputs: Path, tmp_path: Path) -> None:
    port = free_port()
    roots = [shutil.copytree(inputs, tmp_path / name) for name in ("here", "there")]
    for root, seed in zip(roots, (1, 2), strict=True):
        write_project(root, *SMALL, f"train.seed={seed}", "train.processes=2")
    nodes = [
        start_node(root, port, address, *command, restarts=0)
        for root, address, command in zip(
            roots, ("127.0.0.1", "127.0.0.2"), (STAGE, JOIN), strict=True
        )
    ]
    try:
        errors = "".join(node.communicate(timeout=PATIENCE)[1] for node in nodes)
    finally:
        for node in nodes:
            node.kill()
    assert all(node.returncode != 0 for node in nodes)
    assert "error: the code, configuration or tokens on" in errors
    assert "on a file system that all of them share" in errors


def wait_for_a_checkpoint(root: Path, process: "subprocess.Popen[str]") -> Path:
    """Returns the first complete checkpoint as soon as it is there."""
    until = time.monotonic() + PATIENCE
    while not (found := list(root.glob(".work/train/*/checkpoint-*.json"))):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < until
        time.sleep(0.05)
    return checkpoints(found[0].parent)[-1]


def descendants(parent: int) -> list[int]:
    return [child.pid for child in psutil.Process(parent).children(recursive=True)]
