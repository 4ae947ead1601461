import subprocess
import sys
from typing import Any

import pytest
import torch
from transformers import AutoConfig

from tests.tiny import PROJECT, model_and_train
from tohum.errors import UserError
from tohum.model.architectures import NAMES, Architecture, load_architecture
from tohum.model.network import Network


def test_each_module_is_a_choice_and_nothing_else_is() -> None:
    files = (PROJECT / "tohum/model/architectures").glob("[!_]*.py")
    assert list(NAMES) == sorted(path.stem for path in files)
    assert {"llama", "qwen3"} <= set(NAMES)
    for name in NAMES:
        assert model_and_train(f"model.architecture={name}")[0].architecture == name
    with pytest.raises(
        UserError, match=rf"model.architecture is 'gpt', allowed: {', '.join(NAMES)}\."
    ):
        model_and_train("model.architecture=gpt")


@pytest.mark.parametrize("name", NAMES)
def test_a_module_has_all_that_is_asked_of_one(name: str) -> None:
    module = load_architecture(name)
    asked = {key for key in vars(Architecture) if not key.startswith("_")}
    assert asked
    assert asked <= vars(module).keys()


@pytest.mark.parametrize("name", NAMES)
def test_transformers_knows_the_model_by_the_name(name: str) -> None:
    config, _ = model_and_train(f"model.architecture={name}")
    theirs: Any = load_architecture(name).transformers_config(config, 300)
    assert theirs.model_type == name
    assert type(AutoConfig.for_model(name)) is type(theirs)
    assert theirs.hidden_size == config.hidden_size


@pytest.mark.parametrize("name", NAMES)
def test_every_weight_has_its_place_in_transformers(name: str) -> None:
    config, _ = model_and_train(f"model.architecture={name}")
    weights = Network(config, 300).state_dict()
    renamed = load_architecture(name).transformers_weights(weights, config)
    gains = {key for key in renamed if key.endswith("norm.weight")}
    ours = torch.cat([weight.flatten() for weight in weights.values()])
    theirs = torch.cat([weight.flatten() for key, weight in renamed.items() if key not in gains])
    assert torch.equal(ours.sort().values, theirs.sort().values)


def test_checking_a_configuration_loads_neither_torch_nor_transformers() -> None:
    code = (
        "import sys; from pathlib import Path; from stages.compose.composition import compose; "
        "compose(Path('conf'), []); print({'torch', 'transformers'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
