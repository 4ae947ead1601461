"""One training run, from the token files to the network's weights."""

import csv
import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stages.train.checkpoint import KEPT, delete_unfinished
from stages.train.config import Train
from stages.train.run import Run
from tohum.config.runtime import Runtime
from tohum.errors import UserError
from tohum.files import atomic_write, file_sha256, fresh, publish
from tohum.foresight import folder_bytes, foretell_training, require_disk
from tohum.formats.tokens import check_tokens, read_meta
from tohum.model.config import Model
from tohum.model.determinism import processor, set_determinism
from tohum.model.weights import write_weights
from tohum.workdir import open_workdir, workdir_path

COLUMNS = ("step", "tokens", "learning_rate", "loss", "train_bits_per_byte", "bits_per_byte")

log = logging.getLogger(__name__)


def train(
    model_config: Model,
    config: Train,
    runtime: Runtime,
    tokens: Path,
    tokenizer_folder: Path,
    out: Path,
    plot: Path,
) -> None:
    """Trains on data/tokens and writes the weights with their facts, and the curve.

    Raises:
        UserError: too little data, a missing device, or a loss that is not finite.
    """
    meta = read_meta(tokens)
    if meta["tokenizer_sha256"] != file_sha256(tokenizer_folder / "tokenizer.json"):
        raise UserError(
            f"{tokens} was not encoded with the tokenizer {tokenizer_folder}. Run `dvc repro "
            "encode`."
        )
    check_tokens(tokens)
    set_determinism(config.seed, config.threads)
    run = Run(model_config, config, runtime, tokens, tokenizer_folder)
    if not run.peers.is_first:
        run.train(workdir_path("train", run.key))
        run.weights()
        return
    foretell_training(config.minutes)
    with open_workdir("train", run.key) as work:
        weights = sum(weight.nbytes for weight in run.network.parameters())
        delete_unfinished(work)
        # two checkpoints and the one being written, each of weights and at least one state of them
        least = 2 * (KEPT + 1) * weights + weights
        require_disk("train", least - folder_bytes(work), work, "weights and checkpoints")
        run.train(work, speeds=plot.with_name("speed.csv"))
        finished = fresh(work / "weights")
        write_weights(finished, run.weights(), facts_of(run, tokens, meta))
        publish(finished, out)
        write_rows(plot, run.state.rows)


def facts_of(run: Run, tokens: Path, meta: dict[str, Any]) -> dict[str, Any]:
    """Returns the facts of a finished run, which are equal for two runs on the same kind of
    machine.
    """
    seen = run.state.step * run.config.tokens_per_step
    halved = run.state.halved_micro_batch
    return {
        "model": asdict(run.model_config),
        "train": asdict(run.config),
        "steps": run.state.step,
        "tokens": seen,
        "epochs": round(seen / meta["train"]["tokens"], 4),
        "threads": run.config.threads,
        "processes": run.peers.count,
        "precision": run.state.precision,
        "device": run.device.type,
        "processor": processor(run.device),
        **({"halved_micro_batch_tokens": halved * run.length} if halved else {}),
        "tokens_meta_sha256": file_sha256(tokens / "meta.json"),
    }


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """Writes the curve as CSV; the validation column is empty for a step without a measurement."""
    with atomic_write(path, "w") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
