import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tiny import PROJECT, runtime
from tests.tohum.cluster.shards import job, numbered
from tohum.cluster import Task, joined, run
from tohum.errors import UserError
from tohum.progress import progress_bar

VALUES = list(range(12))


@pytest.mark.parametrize("threads", [True, False])
@pytest.mark.parametrize("workers", [1, 2])
def test_results_are_in_the_order_of_the_tasks(tmp_path: Path, threads: bool, workers: int) -> None:
    with progress_bar("test", "B", False) as bar:
        found = list(
            run(job(tmp_path, threads=threads), iter(numbered(VALUES)), runtime(workers), bar)
        )
    assert found == [value * value for value in VALUES]


@pytest.mark.parametrize("threads", [True, False])
def test_tasks_are_asked_for_as_they_are_needed(tmp_path: Path, threads: bool) -> None:
    asked = 0

    def tasks() -> Iterator[Task]:
        nonlocal asked
        for task in numbered(list(range(1000))):
            asked += 1
            yield task

    with progress_bar("test", "B", False) as bar:
        results = run(job(tmp_path, threads=threads), tasks(), runtime(2), bar)
        for number, _ in enumerate(results, 1):
            if number == 10:
                assert asked < 1000
    assert asked == 1000


def test_no_tasks_give_no_results_and_ask_no_cluster(tmp_path: Path) -> None:
    values = runtime()
    values.cluster = "nowhere:1"
    with progress_bar("test", "B", False) as bar:
        assert list(run(job(tmp_path), iter(()), values, bar)) == []
        with joined(values):  # connects when there is something to do
            assert list(run(job(tmp_path), iter(()), values, bar)) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_the_error_of_a_task_is_the_stage_s(tmp_path: Path, workers: int) -> None:
    tasks = numbered([1, 2, ("fails", "part-00002"), *VALUES])
    with (
        progress_bar("test", "B", False) as bar,
        pytest.raises(UserError, match=r"part-00002 is not what it should be"),
    ):
        list(run(job(tmp_path, str(tmp_path)), iter(tasks), runtime(workers), bar))


def test_a_worker_that_dies_ends_the_stage_with_what_to_do(tmp_path: Path) -> None:
    tasks = numbered([1, ("kills_its_process", "a"), *VALUES])
    with (
        progress_bar("test", "B", False) as bar,
        pytest.raises(UserError, match=r"Lower `workers`"),
    ):
        list(run(job(tmp_path, str(tmp_path)), iter(tasks), runtime(2), bar))


def test_few_tasks_are_done_in_this_process(tmp_path: Path) -> None:
    import os

    tasks = numbered([("pid", "a")] * 3)
    with progress_bar("test", "B", False) as bar:
        found = list(run(job(tmp_path, str(tmp_path), few=3), iter(tasks), runtime(2), bar))
    assert found == [os.getpid()] * 3


def test_a_stage_imports_no_cluster_library() -> None:
    code = "import sys, stages.jsonl.preparing, stages.pretokens.counting, stages.encode.encoding"
    code += ", stages.download.downloading, tohum.fetch.contents"
    told = "print(sorted({'ray', 'submitit'} & set(sys.modules)))"
    printed = subprocess.run(
        [sys.executable, "-c", f"{code}; {told}"],
        capture_output=True,
        text=True,
        check=True,
        cwd=PROJECT,
    )
    assert printed.stdout == "[]\n"
