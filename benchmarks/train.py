"""How good a model is after the same minutes: this project compared with transformers' Trainer and
with its own former recipe.

    python -m benchmarks.train [--minutes 2] [--preset laptop] [--peer 'NAME=COMMAND']
    python -m benchmarks.train --recipes
    python -m benchmarks.train --throughput

Makes a corpus from the installed packages. Each contender in turn gets its training documents and
the same minutes, including tokenizer and encoding. One scorer, which knows nothing about how a
model was trained, then measures the bits per byte of the held-out documents: every byte once, with
at least half a context before it. A peer's COMMAND may use {documents}, {out} and {minutes}; see
benchmarks/train_contenders.py.

--recipes estimates the training time of the default and of the former recipe from a few steps of
each, in turn.

--throughput compares training steps only, of this project's network and of transformers' Llama:
plain and compiled, in float32 and in the fastest precision, against the measured peak of large
float32 matrix products.
"""

import argparse
import json
import math
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

import torch

from benchmarks.projects import PROJECT, encoded_project
from benchmarks.targets import report
from benchmarks.train_contenders import contents, train_this_project
from stages.compose.checking import check
from stages.compose.composition import compose
from stages.evaluate.export import transformers_model
from stages.train.display import operations_per_token
from stages.train.probe import faster_precision, matrix_peak
from tohum.commands.estimate.training_costs import step_seconds
from tohum.commands.estimate.training_probe import measure_training
from tohum.formats.records import read_records, shard_paths
from tohum.formats.tokens import VALIDATION_DOCUMENTS
from tohum.model.config import Model
from tohum.model.network import Network

OURS, TRANSFORMERS, TRAINER = "this project", "transformers", "transformers' Trainer"
FORMER = "the former recipe"  # as the default was until it began with a head that looks back
FORMER_VALUES = (
    "model.hidden_size=128",
    "model.intermediate_size=384",
    "model.num_heads=2",
    "model.num_key_value_heads=2",
    "model.context_length=256",
    "model.initialization=normal",
    "train.steps=2500",
    "train.precision=float32",
    "train.learning_rate=0.006",
    "train.momentum=0.95",
    "train.embedding_rate=1",
    "train.context_doublings=0",
)
CPU = torch.device("cpu")
ROUNDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--preset", default="laptop", help="of conf/model and conf/train")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=COMMAND")
    parser.add_argument("--recipes", action="store_true")
    parser.add_argument("--throughput", action="store_true")
    arguments = parser.parse_args()
    if arguments.throughput:
        sys.exit(0 if throughput() else 1)
    if arguments.recipes:
        if check(compose(PROJECT / "conf", [f"train={arguments.preset}"])).train.steps is None:
            parser.error(f"--recipes compares steps, and the preset {arguments.preset} has minutes")
        sys.exit(0 if recipes(arguments.preset) else 1)
    if not all("=" in peer for peer in arguments.peer):
        parser.error("--peer takes NAME=COMMAND")
    peers = dict(peer.split("=", 1) for peer in arguments.peer)
    sys.exit(0 if compare(arguments.minutes, arguments.preset, peers) else 1)


def compare(minutes: float, preset: str, peers: dict[str, str]) -> bool:
    """Trains and scores all contenders, and returns whether the targets hold."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        train, held_out = root / "train.jsonl", root / "held-out.jsonl"
        made = encoded_project(root / "made")
        divide(made, train, held_out)
        overrides_of = recipe_overrides(preset)
        config = check(compose(PROJECT / "conf", overrides_of[OURS]))
        sizes = {
            "vocab_size": config.tokenizer.vocab_size,
            "hidden_size": config.model.hidden_size,
            "intermediate_size": config.model.intermediate_size,
            "num_hidden_layers": config.model.num_layers,
            "num_attention_heads": config.model.num_heads,
        }
        trainer = [sys.executable, "-m", "benchmarks.train_contenders", "{documents}", "{out}"]
        commands = {
            TRAINER: [*trainer, "{minutes}", json.dumps(sizes)],
            **{name: shlex.split(command) for name, command in peers.items()},
        }
        found = {}
        for contender in (*overrides_of, *commands):
            started = time.monotonic()
            if contender in overrides_of:
                out = train_this_project(train, root / contender, minutes, overrides_of[contender])
            else:
                out = root / contender
                values = {"documents": str(train), "out": str(out), "minutes": str(minutes)}
                command = [filled_in(word, values) for word in commands[contender]]
                subprocess.run(command, cwd=PROJECT, check=True)
            seconds = time.monotonic() - started
            found[contender] = bits_per_byte(out, list(contents(held_out)))
            print(f"{contender:24} {found[contender]:.4f} bits per byte, {seconds:.0f} s in total")
        held = [
            report(f"bits per byte of {peer} / ours", found[peer] / found[OURS], "at least", 1.0)
            for peer in found
            if peer != OURS
        ]
        return all(held)


def filled_in(word: str, values: dict[str, str]) -> str:
    """Returns a word of a peer's command, with the values in place of their {names}."""
    for name, value in values.items():
        word = word.replace(f"{{{name}}}", value)
    return word


def recipe_overrides(preset: str) -> dict[str, list[str]]:
    """Returns the overrides of the default and of the former recipe, by name."""
    ours = [f"model={preset}", f"train={preset}", "train.device=cpu"]
    return {OURS: ours, FORMER: [*ours, *FORMER_VALUES]}


def recipes(preset: str) -> bool:
    """Takes a few steps of both recipes in turn, prints what all of their steps take, and returns
    whether the target holds.
    """
    overrides_of = recipe_overrides(preset)
    seconds: dict[str, list[float]] = {name: [] for name in overrides_of}
    with tempfile.TemporaryDirectory() as folder:
        made = encoded_project(Path(folder))
        for _ in range(ROUNDS):
            for name, overrides in overrides_of.items():
                config = check(compose(PROJECT / "conf", overrides))
                rates = measure_training(config.model, config.train, made)
                steps = config.train.steps_in(rates.precision)
                seconds[name].append(steps * step_seconds(config, asdict(rates)))
    ours, former = (statistics.median(seconds[name]) for name in (OURS, FORMER))
    print(f"{OURS}: {ours:.0f} s of steps; {FORMER}: {former:.0f} s")
    return report("seconds of training / the former recipe's", ours / former, "at most", 1.0)


def divide(made: Path, train: Path, held_out: Path) -> None:
    """Writes a project's training documents, and those that the encode stage holds out."""
    listed = made / "data/tokens" / VALIDATION_DOCUMENTS
    ids = {json.loads(line)["id"] for line in listed.read_text(encoding="utf-8").splitlines()}
    with train.open("w", encoding="utf-8") as taken, held_out.open("w", encoding="utf-8") as kept:
        for record in chain.from_iterable(map(read_records, shard_paths(made / "data/jsonl"))):
            file = kept if record["id"] in ids else taken
            file.write(json.dumps({"content": record["content"]}) + "\n")


@torch.inference_mode()
def bits_per_byte(folder: Path, texts: list[str]) -> float:
    """Returns the bits per byte of texts under any causal model of transformers."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(str(folder))
    model: Any = AutoModelForCausalLM.from_pretrained(folder).eval()
    context = int(model.config.max_position_embeddings)
    nats = 0.0
    for text in texts:
        ids = tokenizer.encode(text, add_special_tokens=False)
        if tokenizer.decode(ids) != text:
            sys.exit(f"the tokenizer of {folder} loses text, so it has no bits per byte")
        ids = [tokenizer.bos_token_id, *ids]
        done = 1
        while done < len(ids):
            end = min(len(ids), done + (context if done == 1 else context // 2))
            window = torch.tensor([ids[max(0, end - context - 1) : end]])
            logits = model(input_ids=window[:, :-1]).logits[0, done - end :]
            nats += float(
                torch.nn.functional.cross_entropy(
                    logits.double(), window[0, done - end :], reduction="sum"
                )
            )
            done = end
    return nats / math.log(2) / sum(len(text.encode()) for text in texts)


def throughput() -> bool:
    """Measures training steps in turn and returns whether the targets hold."""
    torch.set_num_threads(2)
    peak = matrix_peak(CPU, "float32")
    print(f"measured peak of float32 products: {peak / 1e9:.0f} GFLOP/s")
    holds = True
    for preset in ("laptop", "one_hour"):
        composed = check(compose(PROJECT / "conf", [f"model={preset}", f"train={preset}"]))
        config, vocab_size = composed.model, composed.tokenizer.vocab_size
        windows = composed.train.micro_batch_tokens // config.context_length
        chosen = faster_precision(CPU, config, windows * config.context_length)
        ways = {(): "float32", ("compiled",): "float32"}
        if chosen != "float32":
            ways[chosen,] = ways["compiled", chosen] = chosen
        steps = {
            (name, *how): Steps(
                losses(config, vocab_size, "compiled" in how), windows, config, precision
            )
            for name, losses in ((TRANSFORMERS, transformers_losses), (OURS, network_losses))
            for how, precision in ways.items()
        }
        for _ in range(12):
            for step in steps.values():
                step.take()
        operations = operations_per_token(config, vocab_size)
        print(
            f"\n{preset}, {vocab_size} entries, {windows * config.context_length} tokens per step"
        )
        for name, step in steps.items():
            share = step.speed * operations / peak
            print(f"  {', '.join(name):36} {step.speed:9,.0f} tokens/s {share:6.2f} of that peak")
        for how in ways:
            ratio = steps[OURS, *how].speed / steps[TRANSFORMERS, *how].speed
            label = f"{preset}: tokens/s / transformers', {', '.join(how) or 'not compiled'}"
            holds &= report(label, ratio, "at least", 1.0)
        if preset == "one_hour":
            share = steps[OURS, "compiled"].speed * operations / peak
            holds &= report(f"{preset}: share of the float32 peak", share, "at least", 0.8)
    return holds


class Steps:
    """Timed steps of one way to train; `losses` is a module that returns a summed loss."""

    def __init__(
        self, losses: torch.nn.Module, windows: int, config: Model, precision: str = "float32"
    ) -> None:
        self.losses, self.precision = losses, precision
        shape = (windows, config.context_length)
        self.ids = torch.randint(9, 2000, shape)
        self.targets = torch.randint(9, 2000, shape)
        self.optimizer = torch.optim.AdamW(losses.parameters(), lr=1e-4, fused=True)
        self.seconds: list[float] = []
        for _ in range(3):  # compiles
            self.take()
        self.seconds = []

    def take(self) -> None:
        """Takes a step."""
        started = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=self.precision == "bfloat16"):
            loss = self.losses(self.ids, self.targets) / self.targets.numel()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.losses.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.seconds.append(time.perf_counter() - started)

    @property
    def speed(self) -> float:
        """Tokens per second of the median step."""
        return self.targets.numel() / sorted(self.seconds)[len(self.seconds) // 2]


class TransformersLosses(torch.nn.Module):
    """The summed loss of transformers' Llama."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Returns the loss."""
        logits = self.model(input_ids=ids, use_cache=False).logits.float()
        return torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), targets.flatten(), reduction="sum"
        )


def transformers_losses(config: Model, vocab_size: int, compiled: bool = False) -> torch.nn.Module:
    module = TransformersLosses(transformers_model(config, vocab_size))
    if compiled:
        module.compile(dynamic=False)
    return module


def network_losses(config: Model, vocab_size: int, compiled: bool = False) -> torch.nn.Module:
    network = Network(config, vocab_size)
    for block in network.blocks if compiled else ():
        block.compile(dynamic=False)
    return network


if __name__ == "__main__":
    main()
