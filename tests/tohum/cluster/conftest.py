"""Two nodes of Ray for the tests of a file."""

from collections.abc import Iterator

import pytest

from tests.fakes.ray_nodes import INSTALLED, RayNodes, joined_nodes

WITH_RAY = pytest.mark.skipif(
    not INSTALLED, reason="Ray is not installed: python -m pip install -c constraints.txt ray"
)


@pytest.fixture(scope="module")
def nodes() -> Iterator[RayNodes]:
    with joined_nodes(2) as cluster:
        yield cluster
