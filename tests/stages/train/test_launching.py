import subprocess
import sys

import pytest

from stages.train.launching import is_to_be_launched, launch_options
from tests.tiny import PROJECT
from tohum.errors import UserError
from tohum.process import SPINS, keep_freed_memory, share_processor


def printed(code: str) -> str:
    """What a new interpreter prints."""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_threads_wait_shortly_unless_the_user_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    show = "import os; print(os.environ['GOMP_SPINCOUNT'])"
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    share_processor()
    assert printed(show) == SPINS
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    share_processor()
    assert printed(show) == "7"


def test_a_step_gets_the_memory_that_the_one_before_freed() -> None:
    code = """
import resource, numpy
from tohum.process import keep_freed_memory
{}

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def step():
    blocks = [numpy.ones(6_000_000) for _ in range(4)]

step(), step()
before = faults()
step()
print(faults() - before)
"""
    if printed("from tohum.process import *; print(keep_freed_memory())") == "False":
        pytest.skip("this system's allocator has no such setting")
    kept = int(printed(code.format("keep_freed_memory()")))
    given_back = int(printed(code.format("")))
    assert 10 * kept < given_back


def test_where_there_is_no_such_setting_memory_is_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tohum.process.ctypes.CDLL", lambda _: object())
    assert not keep_freed_memory()


def test_torch_is_not_loaded_before_they_are_told() -> None:
    assert printed("import sys, stages.train.__main__; print('torch' in sys.modules)") == "False"


def test_several_processes_on_one_machine_need_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PET_NNODES", raising=False)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    assert not is_to_be_launched(1)
    assert is_to_be_launched(2)
    assert launch_options(2) == ["--standalone", "--nproc-per-node=2"]


def test_a_node_starts_its_share_of_the_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PET_NNODES", "4")
    monkeypatch.setenv("PET_RDZV_ENDPOINT", "node1:29400")
    assert launch_options(32) == ["--nproc-per-node=8"]


@pytest.mark.parametrize(
    ("nodes", "endpoint", "processes", "message"),
    [
        ("4", "node1:29400", 6, "train.processes is 6, expected a multiple of 4, the nodes in PET"),
        ("4", "node1:29400", 1, "train.processes is 1, expected a multiple of 4, the nodes in PET"),
        ("4", "", 8, "PET_NNODES is 4, but PET_RDZV_ENDPOINT is not set. Set it to this node's"),
        ("1:4", "node1:29400", 8, "PET_NNODES is '1:4', expected the number of nodes that train"),
    ],
)
def test_nodes_that_cannot_share_the_processes_are_refused(
    monkeypatch: pytest.MonkeyPatch, nodes: str, endpoint: str, processes: int, message: str
) -> None:
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    monkeypatch.setenv("PET_NNODES", nodes)
    monkeypatch.setenv("PET_RDZV_ENDPOINT", endpoint)
    assert is_to_be_launched(processes)
    with pytest.raises(UserError, match=message):
        launch_options(processes)
