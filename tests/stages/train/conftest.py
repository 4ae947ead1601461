from pathlib import Path

import pytest

from tests.tiny import write_training_inputs


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the stage train reads."""
    root = tmp_path_factory.mktemp("inputs")
    write_training_inputs(root)
    return root
