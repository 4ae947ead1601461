"""One training, from the token files to a model that `from_pretrained` loads."""

import csv
import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel
from transformers.utils import logging as transformers_logging

from stages.train.attribution import write_attribution
from stages.train.card import model_card
from stages.train.completions import read_prompts
from stages.train.config import Train
from stages.train.determinism import processor, set_determinism
from stages.train.examination import examine
from stages.train.export import export
from stages.train.run import Run
from tohum.config.runtime import Runtime
from tohum.errors import UserError
from tohum.files import atomic_write, file_sha256, fresh, publish, write_json
from tohum.formats.chat_template import CHAT_TEMPLATE_FILE
from tohum.formats.tokens import read_meta
from tohum.model.config import Model
from tohum.workdir import open_workdir, work_key, workdir_path

COLUMNS = ("step", "tokens", "learning_rate", "loss", "train_bits_per_byte", "bits_per_byte")

log = logging.getLogger(__name__)


def train(
    model_config: Model,
    config: Train,
    runtime: Runtime,
    tokens: Path,
    tokenizer_folder: Path,
    out: Path,
    metrics: Path,
    plot: Path,
    prompts: Path,
) -> None:
    """Trains on data/tokens and writes the model with its completions of the prompts, its metrics
    and its curve.

    Raises:
        UserError: too little data, a device that is not there, or a loss that is no number.
    """
    transformers_logging.disable_progress_bar()
    meta = read_meta(tokens)
    if meta["tokenizer_sha256"] != file_sha256(tokenizer_folder / "tokenizer.json"):
        raise UserError(
            f"{tokens} was encoded with another tokenizer than {tokenizer_folder}. Run `dvc repro "
            "encode`."
        )
    wanted = read_prompts(prompts)
    set_determinism(config)
    run = Run(model_config, config, runtime, tokens, tokenizer_folder)
    # any number of processes computes the same steps, so another number may go on
    key = work_key("train", [model_config, replace(config, processes=1)], [tokens / "meta.json"])
    if not run.peers.is_first:
        run.train(workdir_path("train", key))
        run.weights()
        return
    with open_workdir("train", key) as work:
        run.train(work, speeds=plot.with_name("speed.csv"))
        weights = run.weights()
        model = export(weights, model_config)
        finished = fresh(work / "lm")
        measured, page = examine(run, weights, model, tokens, tokenizer_folder, wanted)
        facts = {**measured, **model_facts(run, model, meta)}
        write_model(model, finished, tokenizer_folder)
        with atomic_write(finished / "README.md", "w") as file:
            file.write(model_card(facts, model_config, config, meta))
        with atomic_write(finished / "completions.md", "w") as file:
            file.write(page)
        write_attribution(finished, tokens, meta)
        publish(finished, out)
        write_rows(plot, run.progress.rows)
        write_json(metrics, facts)


def model_facts(run: Run, model: PreTrainedModel, meta: dict[str, Any]) -> dict[str, Any]:
    """Returns the facts of a finished run: nothing in them differs between two runs on one kind of
    machine.
    """
    tokens = run.progress.step * run.config.tokens_per_step
    return {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "steps": run.progress.step,
        "tokens": tokens,
        "epochs": round(tokens / meta["train"]["tokens"], 4),
        "val_documents": meta["val"]["documents"],
        "val_bytes": meta["val"]["bytes"],
        "threads": run.config.threads,
        "processes": run.peers.count,
        "precision": run.progress.precision,
        "processor": processor() if run.device.type == "cpu" else str(run.device),
    }


def write_model(model: PreTrainedModel, folder: Path, tokenizer_folder: Path) -> None:
    """Writes weights, configuration and tokenizer."""
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", CHAT_TEMPLATE_FILE):
        shutil.copyfile(tokenizer_folder / name, folder / name)


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """Writes the curve as CSV; a step without a look at the validation documents leaves that column
    empty.
    """
    with atomic_write(path, "w") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
