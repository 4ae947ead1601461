"""models/weights: what the stage train writes and the stage evaluate reads.

weights.safetensors   the weights of the network, by their names in `tohum.model.network`
facts.json            how they were made: the sections model and train, steps, tokens, epochs,
                      precision, processor, device, threads, processes, and the hashes of the tokens
                      and of the weights
"""

from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from tohum.config.sections import read_section
from tohum.errors import UserError
from tohum.files import check_files, file_sha256, read_json, write_json
from tohum.model.config import Model
from tohum.model.network import Network

WEIGHTS, FACTS = "weights.safetensors", "facts.json"


def write_weights(folder: Path, weights: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Writes both files to an empty folder."""
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, folder / WEIGHTS)
    write_json(folder / FACTS, {**facts, "weights_sha256": file_sha256(folder / WEIGHTS)})


def read_facts(folder: Path, tokens: Path) -> dict[str, Any]:
    """Returns the facts of a training run, which must have used the tokens in `tokens`; its weights
    are checked.

    Raises:
        UserError: there is no trained model, it is damaged, or it was not trained on these tokens.
    """
    if not (folder / WEIGHTS).is_file():
        raise UserError(f"{folder / WEIGHTS} is missing. Run `dvc repro train`.")
    with read_json(folder / FACTS, "train") as facts:
        weights_sha256, tokens_sha256 = facts["weights_sha256"], facts["tokens_meta_sha256"]
    check_files({folder / WEIGHTS: weights_sha256}, "train")
    if tokens_sha256 != file_sha256(tokens / "meta.json"):
        raise UserError(
            f"{folder} was not trained on the tokens in {tokens}. Run `dvc repro train`."
        )
    return facts


def read_network(folder: Path, facts: dict[str, Any]) -> Network:
    """Returns the trained network, on the CPU, in evaluation mode.

    Args:
        folder: models/weights.
        facts: of `read_facts`.
    """
    weights = load_file(folder / WEIGHTS)
    network = Network(read_section("model", Model, facts["model"]), len(weights["embedding"]))
    network.load_state_dict(weights)
    return network.eval()
