import pytest

from stages.train.optimizers import NAMES, build_optimizers
from tests.tiny import PROJECT, model_and_train
from tohum.errors import UserError
from tohum.model.network import Network


def test_each_module_is_a_choice_and_nothing_else_is() -> None:
    files = (PROJECT / "stages/train/optimizers").glob("[!_]*.py")
    assert list(NAMES) == sorted(path.stem for path in files)
    assert {"adamw", "muon"} <= set(NAMES)
    with pytest.raises(UserError, match=rf"train.optimizer is 'x', allowed: {', '.join(NAMES)}\."):
        model_and_train("train.optimizer=x")


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_has_one_optimiser(name: str) -> None:
    model, train = model_and_train(f"train.optimizer={name}")
    network = Network(model, 300)
    taken = [
        id(parameter)
        for optimizer in build_optimizers(network, train)
        for group in optimizer.param_groups
        for parameter in group["params"]
    ]
    assert sorted(taken) == sorted(map(id, network.parameters()))
