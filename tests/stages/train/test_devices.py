"""Precision, compiler and memory: what a run finds on the machine it is on."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from stages.train.compiled_blocks import compile_blocks
from stages.train.probe import DTYPES, faster_precision, matrix_peak
from stages.train.run import Run
from tests.tiny import PROJECT, model_and_train, runtime
from tohum.model.determinism import set_determinism
from tohum.model.network import Network

pytestmark = pytest.mark.slow


CPU = torch.device("cpu")


@pytest.mark.parametrize("precision", DTYPES)
def test_a_peak_is_that_of_a_processor(precision: str) -> None:
    assert 1e8 < matrix_peak(CPU, precision) < 1e15


def test_the_precision_is_one_that_products_have() -> None:
    model, _ = model_and_train("model.hidden_size=64")
    assert faster_precision(CPU, model, 256) in DTYPES


@pytest.mark.parametrize(
    ("speeds", "expected"),
    [
        ((1.0, 8.0, 8.0), "bfloat16"),  # a GPU from Ampere on, a processor with matrix units
        ((1.0, 0.8, 5.0), "float16"),  # a T4
        ((1.0, 0.5, 0.5), "float32"),  # a processor that emulates both
        ((1.0, 1.2, 1.2), "float32"),  # too little to gain
        ((1.0, None, 2.0), "float16"),
        ((1.0, None, None), "float32"),
    ],
)
def test_the_precision_follows_the_measured_speeds(
    monkeypatch: pytest.MonkeyPatch, speeds: tuple[float | None, ...], expected: str
) -> None:
    found = dict(zip(DTYPES.values(), speeds, strict=True))

    def speed(_device: torch.device, dtype: torch.dtype, *_sizes: int) -> float:
        measured = found[dtype]
        if measured is None:
            raise TypeError("the device has no such numbers")
        return measured

    monkeypatch.setattr("stages.train.probe._speed", speed)
    gpu = torch.device("cuda")
    assert faster_precision(gpu, model_and_train()[0], 256) == expected


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"avx512_bf16": True, "amx_bf16": False}, "bfloat16"),
        ({"amx_bf16": True}, "bfloat16"),
        ({"avx512_f": True, "avx512_bf16": False}, "float32"),
        ({"neon": True, "bf16": True}, "float32"),  # not measured
        ({}, "float32"),
    ],
)
def test_the_precision_of_a_processor_follows_its_flags(
    monkeypatch: pytest.MonkeyPatch, flags: dict[str, bool], expected: str
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: flags)
    assert faster_precision(CPU, model_and_train()[0], 256) == expected


@pytest.mark.parametrize(
    ("device", "precision", "expected"),
    [
        ("cpu", "float32", True),
        ("cpu", "bfloat16", False),
        ("cuda", "bfloat16", True),
        ("cuda", "float16", True),
    ],
)
def test_only_bfloat16_on_a_processor_is_faster_without_a_compiler(
    inputs: Path, monkeypatch: pytest.MonkeyPatch, device: str, precision: str, expected: bool
) -> None:
    compiled = list[str]()

    def compile_nothing(*_: object) -> bool:
        compiled.append(precision)
        return True

    monkeypatch.setattr("stages.train.run.compile_blocks", compile_nothing)
    for configured in (True, False):
        run = new_run(inputs, f"train.compile={configured}")
        run.device, run.state.precision = torch.device(device), precision
        run._try_out()
    assert compiled == ([precision] if expected else [])


def network_and_ids() -> tuple[Network, torch.Tensor]:
    model, config = model_and_train("model.initializer_range=0.3")
    set_determinism(config.seed, config.threads)
    return Network(model, vocab_size=50), torch.randint(9, 50, (2, 17))


@pytest.mark.skipif(sys.platform != "linux", reason="a compiler is there on Linux")
def test_compiled_blocks_give_the_loss_and_gradients_of_plain_ones() -> None:
    network, ids = network_and_ids()
    plain = network(ids[:, :-1], ids[:, 1:])
    plain.backward()
    expected = {name: weight.grad.clone() for name, weight in network.named_parameters()}  # type: ignore[union-attr]
    network.zero_grad()
    assert compile_blocks(network, lambda: network(ids[:, :-1], ids[:, 1:]).backward())
    network.zero_grad()
    compiled = network(ids[:, :-1], ids[:, 1:])
    compiled.backward()
    assert torch.allclose(plain, compiled, rtol=1e-5)
    for name, weight in network.named_parameters():
        assert weight.grad is not None
        assert torch.allclose(weight.grad, expected[name], atol=1e-3, rtol=1e-3), name


def new_run(inputs: Path, *overrides: str) -> Run:
    model, config = model_and_train("train.micro_batch_tokens=64", *overrides)
    return Run(model, config, runtime(), inputs / "data/tokens", inputs / "models/tokenizer")


def no_gradients(run: Run) -> bool:
    return all(weight.grad is None for weight in run.network.parameters())


def test_trying_out_a_micro_batch_leaves_no_gradients(inputs: Path) -> None:
    run = new_run(inputs)
    run.gradients.try_out(run.network)
    assert run.gradients.micro_batch == 4
    assert no_gradients(run)


@pytest.mark.skipif(sys.platform != "linux", reason="a compiler is there on Linux")
@pytest.mark.parametrize(
    "told",
    [
        "DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes",
        "DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes",  # on Windows
        "MPS backend out of memory (MPS allocated: 8 GB)",
    ],
)
def test_too_little_memory_while_compiling_does_not_pass_for_a_missing_compiler(
    inputs: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, told: str
) -> None:
    forward = Network.forward

    def short_of_memory(network: Network, ids: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        if len(ids) > 1:
            raise RuntimeError(told)
        return forward(network, ids, targets)

    monkeypatch.setattr(Network, "forward", short_of_memory)
    run = new_run(inputs, "train.compile=true")
    with caplog.at_level(logging.WARNING):
        run._try_out()
    assert run.gradients.micro_batch == run.gradients.halved == 1
    assert "continuing with micro-batches of 16 tokens" in caplog.text
    assert "torch.compile can't be used here" not in caplog.text
    assert no_gradients(run)


# after those that compile: inductor remembers a compiler that it missed
def test_without_a_compiler_the_plain_blocks_run_and_it_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    torch.compiler.reset()
    network, ids = network_and_ids()
    plain = network(ids[:, :-1], ids[:, 1:])
    monkeypatch.setattr("torch._inductor.config.cpp.cxx", ("no-such-compiler",))
    monkeypatch.setattr("torch._inductor.config.force_disable_caches", True)
    with caplog.at_level(logging.WARNING):
        assert not compile_blocks(network, lambda: network(ids[:, :-1], ids[:, 1:]).backward())
    assert "torch.compile can't be used here, so training is slower" in caplog.text
    assert torch.equal(network(ids[:, :-1], ids[:, 1:]), plain)


LITTLE_MEMORY = """
import logging, resource, sys
from pathlib import Path
logging.basicConfig(level=logging.INFO)
from stages.train.run import Run
from tests.tiny import documents, model_and_train, runtime, write_tiny_tokenizer, write_tokens
root = Path(sys.argv[1])
write_tiny_tokenizer(root / "tokenizer")
texts = documents(300)
write_tokens(root / "tokens", root / "tokenizer", texts[:290], texts[290:])
sizes = ("train.tokens_per_step=8192", "train.micro_batch_tokens=8192", "train.steps=2")
model, config = model_and_train(*sizes, "model.hidden_size=128", "model.intermediate_size=1024",
    "model.num_layers=2", "train.evaluate_every=100")
run = Run(model, config, runtime(), root / "tokens", root / "tokenizer")
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 100_000_000, -1))
print("loss", run._step(0.5))
print("micro-batch", run.gradients.micro_batch)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc and limits the address space")
def test_too_little_memory_halves_the_micro_batch_and_keeps_the_step(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", LITTLE_MEMORY, str(tmp_path)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "cpu has too little memory: continuing with micro-batches of" in run.stderr
    loss, windows = (float(line.split()[1]) for line in run.stdout.splitlines())
    assert 1 <= windows < 128
    assert 5 < loss < 7
