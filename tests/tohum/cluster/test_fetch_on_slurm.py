"""The stage download by submitit with its executor `local`: each job is a process of its own."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tqdm import tqdm

from stages.download.downloading import download
from tests.fakes import stack_rows
from tests.fakes.blobs import contents, sample_blobs
from tests.fakes.content_store import FakeContentStore, Fault
from tests.fakes.hub import FakeHub
from tests.tohum.fetch.test_contents import OPEN, Project, ask, files
from tohum.cluster import SLURM, StageTasks, Task
from tohum.cluster.slurm_jobs import run_on_slurm
from tohum.config.runtime import Runtime
from tohum.fetch import segment_tasks
from tohum.sources import hub_whole_files

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("sbatch") is not None, reason="jobs would go to this machine's Slurm"
    ),
]
BLOBS = sample_blobs(300)


def run_locally(
    job: StageTasks, tasks: Iterator[Task], runtime: Runtime, bar: "tqdm[Any]"
) -> Iterator[Any]:
    assert runtime.cluster == SLURM
    return run_on_slurm(job, tasks, 1, bar, "local")


def test_jobs_write_the_bytes_of_one_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("submitit", reason="submitit is not installed")
    with FakeContentStore(contents(BLOBS)) as store, FakeHub({}, repo_id="a/b") as hub:
        ask(hub, monkeypatch, tmp_path)
        project = Project(tmp_path, store, hub)
        project.offer(stack_rows.stack_v2(BLOBS[:100]), stack_rows.stack_v2(BLOBS[100:]))
        download(OPEN, project.raw, project.runtime())
        expected = files(project.raw)
        shutil.rmtree(project.raw)
        for module in (segment_tasks, hub_whole_files):
            monkeypatch.setattr(module, "run", run_locally)
        monkeypatch.setattr(hub_whole_files, "TASK_BYTES", 1)
        store.fail(Fault.SLOW_DOWN, 5)
        store.fetches.clear()
        download(OPEN, project.raw, replace(project.runtime(), cluster=SLURM))
        assert files(project.raw) == expected
        assert sum(project.fetched().values()) == len(project.fetched()) + 5
