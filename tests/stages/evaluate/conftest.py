from pathlib import Path

import pytest

from tests.stages.evaluate.trained import write_trained


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the stage evaluate reads."""
    root = tmp_path_factory.mktemp("inputs")
    write_trained(root)
    return root
