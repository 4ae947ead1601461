"""Real nodes of Ray on loopback, with one core each.

`make test` runs those that matter most, within a minute; `python -m pytest -m cluster` the others.
"""

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.fakes.ray_nodes import INSTALLED, RayNodes, is_at_work
from tests.processes import PATIENCE
from tests.tiny import PROJECT, documents, runtime, write_project
from tests.tohum.cluster.conftest import WITH_RAY
from tests.tohum.cluster.shards import dies_when_first_asked, job, numbered
from tohum.cluster import joined, ray_cluster, ray_tasks, run
from tohum.cluster.node import site_of
from tohum.config.runtime import Runtime
from tohum.errors import UserError
from tohum.progress import progress_bar

pytestmark = pytest.mark.slow
LONG = pytest.mark.cluster
STAGES = ("jsonl", "pretokens", "encode")
OUTS = ("data/jsonl", "data/pretokens", "data/tokens", "metrics")


def unshares() -> bool:
    command = ["unshare", "--mount", "--map-root-user", "true"]
    try:
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    except OSError:
        return False


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return tmp_path


def on(address: str) -> Runtime:
    values = runtime()
    values.cluster = address
    return values


def results(folder: Path, address: str, values: list[Any]) -> list[Any]:
    work = folder / "work"
    work.mkdir(exist_ok=True)
    with progress_bar("test", "B", False) as bar:
        return list(run(job(work, str(folder)), iter(numbered(values)), on(address), bar))


def write_raw(root: Path) -> None:
    """Writes a data/raw of rows in many units, one of them too large to be passed as such."""
    texts = [f"{text}# {number}\n" for number in range(60) for text in documents(150)]
    raw = root / "data" / "raw"
    raw.mkdir(parents=True)
    lines = []
    for part in range(12):
        content = b"".join(
            json.dumps({"content": text, "path": f"{part}/{place}.py"}).encode() + b"\n"
            for place, text in enumerate(texts[part::12])
        )
        (raw / f"{part:02d}.jsonl").write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        lines.append(json.dumps({"file": f"{part:02d}.jsonl", "sha256": digest}) + "\n")
    (raw / "manifest.jsonl").write_text("".join(lines))
    (raw / "source.json").write_text(json.dumps({"kind": "files", "license": None}))


def stage(root: Path, name: str, cluster: str | None) -> "subprocess.Popen[str]":
    path = root / "conf" / "runtime.yaml"
    values = {**json.loads(path.read_text()), "cluster": cluster}
    path.write_text(json.dumps(values))
    environment = {key: value for key, value in os.environ.items() if key != "DVC_ROOT"}
    return subprocess.Popen(
        [sys.executable, "-m", f"stages.{name}"],
        cwd=root,
        env={**environment, "PYTHONPATH": str(PROJECT)},
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: "subprocess.Popen[str]") -> str:
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    return errors


def hashes(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for out in OUTS
        for path in sorted((root / out).rglob("*"))
        if path.is_file()
    }


@WITH_RAY
def test_the_outputs_are_those_of_one_machine_though_workers_are_killed(
    nodes: RayNodes, tmp_path: Path
) -> None:
    alone, spread = tmp_path / "alone", tmp_path / "spread"
    overrides = ("jsonl.shard_bytes=40000", "tokenizer.vocab_size=300", "jsonl.near_duplicates=0.9")
    for root in (alone, spread):
        root.mkdir()
        write_project(root, *overrides)
        write_raw(root)
    for name in ("jsonl", "pretokens", "tokenizer", "encode"):
        finish(stage(alone, name, None))
    shutil.copytree(alone / "models", spread / "models")
    (spread / "metrics").mkdir()
    shutil.copy(alone / "metrics" / "tokenizer.json", spread / "metrics")
    killed, said = 0, ""
    for name in STAGES:
        process = stage(spread, name, nodes.address)
        victim = first_busy_worker(nodes, process)
        if victim is not None:
            with suppress(psutil.NoSuchProcess):
                victim.kill()
                killed += 1
        said += finish(process)
    assert hashes(alone) == hashes(spread)
    assert len(hashes(alone)) > 10
    assert killed
    assert "is done again" in said


def first_busy_worker(nodes: RayNodes, process: "subprocess.Popen[str]") -> psutil.Process | None:
    while process.poll() is None:
        for worker in nodes.workers():
            if is_at_work(worker):
                return worker
        time.sleep(0.005)
    return None


@LONG
@WITH_RAY
def test_a_stage_whose_process_was_killed_goes_on(nodes: RayNodes, tmp_path: Path) -> None:
    write_project(tmp_path, "jsonl.shard_bytes=20000")
    write_raw(tmp_path)
    finish(stage(tmp_path, "jsonl", None))
    process = stage(tmp_path, "pretokens", nodes.address)
    work = tmp_path / ".work" / "pretokens"
    while not (marks := list(work.glob("*/*/facts.json"))):
        assert process.poll() is None, finish(process)
        time.sleep(0.005)
    times = {mark: mark.stat().st_mtime_ns for mark in marks}
    process.kill()
    process.communicate()
    assert all(mark.stat().st_mtime_ns == times[mark] for mark in marks)
    finish(stage(tmp_path, "pretokens", nodes.address))
    found = hashes(tmp_path)
    shutil.rmtree(tmp_path / "data" / "pretokens")
    finish(stage(tmp_path, "pretokens", None))
    assert hashes(tmp_path) == found


@LONG
@WITH_RAY
def test_results_are_in_order_though_values_are_large_and_workers_killed(
    nodes: RayNodes, here: Path
) -> None:
    killed = [("kills_its_process_once", "a"), ("kills_its_process_once", "b")]
    values: list[Any] = [*range(20), *killed, *range(20), bytes(200_000), 3]
    squares = [value * value for value in range(20)]
    expected = [*squares, "a", "b", *squares, 200_000, 9]
    assert results(here, nodes.address, values) == expected
    assert not list((here / "work" / "spool").iterdir())


@LONG
@WITH_RAY
def test_a_task_that_kills_its_worker_three_times_is_named(
    nodes: RayNodes, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_tasks, "NODE_SECONDS", 2.0)  # no node has died
    with pytest.raises(UserError, match=r"shard 1 killed its worker process 3 times, last on 127"):
        results(here, nodes.address, [1, ("kills_its_process", "a"), 2])


@WITH_RAY
def test_an_error_of_a_task_and_a_full_disk_end_the_stage(nodes: RayNodes, here: Path) -> None:
    with pytest.raises(UserError, match=r"^part-7 is not what it should be\.$"):
        results(here, nodes.address, [1, ("fails", "part-7")])
    with pytest.raises(UserError, match=r"a disk of the node 127\.0\.0\.\d.* is full"):
        results(here, nodes.address, [1, ("fills_the_disk", "a")])


@WITH_RAY
def test_the_tasks_of_a_node_that_dies_are_done_on_another(nodes: RayNodes, here: Path) -> None:
    lost = nodes.add()
    found: list[Any] = []
    thread = threading.Thread(
        target=lambda: found.extend(
            results(here, nodes.address, [("waits", f"{n}") for n in range(6)])
        )
    )
    thread.start()
    while lost not in {path.read_text() for path in here.glob("*.at")}:
        assert thread.is_alive()
        time.sleep(0.05)
    nodes.kill(lost)
    (here / "go").touch()
    thread.join(PATIENCE)
    assert len(found) == 6
    assert lost not in found


@WITH_RAY
def test_runs_in_one_block_have_one_connection(nodes: RayNodes, here: Path) -> None:
    import ray

    connections = set()
    with joined(on(nodes.address)):
        assert not ray.is_initialized(), "nothing is to be done yet"
        for _ in range(2):
            assert results(here, nodes.address, [1, 2]) == [1, 4]
            connections.add(ray.get_runtime_context().get_job_id())
    assert len(connections) == 1
    assert not ray.is_initialized()


@LONG
@WITH_RAY
def test_a_task_that_fits_on_no_node_is_refused(nodes: RayNodes, here: Path) -> None:
    from dataclasses import replace

    huge = replace(job(here / "work"), memory=10**13)
    (here / "work").mkdir()
    with (
        progress_bar("test", "B", False) as bar,
        pytest.raises(UserError, match=r"needs a core and 10000000 MB, which no node"),
    ):
        list(run(huge, iter(numbered([1])), on(nodes.address), bar))


@WITH_RAY
def test_a_node_whose_worker_dies_while_it_is_asked_is_asked_again(
    nodes: RayNodes, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_cluster, "problem_here", dies_when_first_asked)
    with ray_cluster.connected(nodes.address) as ray:
        found = ray_cluster.nodes_of(ray)
        problems = ray_cluster.problems_of_nodes(ray, found, site_of(here / "shared"))
    # a node that an earlier test has ended may still be listed
    assert set(problems.values()) <= {ray_cluster.GONE}
    assert len(problems) < len(found)
    assert (here / "shared" / "asked").exists()


def check(root: Path, nodes: RayNodes) -> "subprocess.CompletedProcess[str]":
    """Runs `tohum cluster check` in a project."""
    return subprocess.run(
        [sys.executable, "-m", "tohum", "cluster", "check", nodes.address],
        cwd=root,
        env={**nodes.environment, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )


@LONG
@WITH_RAY
def test_the_check_shows_the_nodes(nodes: RayNodes, tmp_path: Path) -> None:
    write_project(tmp_path)
    done = check(tmp_path, nodes)
    assert done.returncode == 0, done.stderr
    assert sum(line.rstrip().endswith("yes") for line in done.stdout.splitlines()) == 2
    assert f"project {tmp_path}" in done.stdout


@LONG
@WITH_RAY
@pytest.mark.skipif(not unshares(), reason="needs a mount namespace, which this system refuses")
def test_nodes_that_are_not_the_same_are_named_with_the_fix(tmp_path: Path) -> None:
    """One sees another file system, one has other code, one has no room."""
    other = tmp_path / "other"
    for name in ("stages", "tohum", "tests"):
        shutil.copytree(PROJECT / name, other / name)
    with (other / "tohum" / "errors.py").open("a") as file:
        file.write("# another version\n")
    project, full = tmp_path / "project", tmp_path / "full"
    project.mkdir()
    full.mkdir()
    write_project(project)
    mounts = {
        "does not see": f"mount -t tmpfs none {project}",
        "is another version there": " && ".join(
            f"mount --bind {other / name} {PROJECT / name}" for name in ("stages", "tohum")
        ),
        "is full there": f"mount -t tmpfs -o size=512k none {full}; export TMPDIR={full}",
    }
    with RayNodes() as cluster:
        ips = {}
        for problem, mount in mounts.items():
            script = f'{mount}; exec "$@"'
            wrapper = ["unshare", "--mount", "--map-root-user", "sh", "-c", script, "sh"]
            ips[problem] = cluster.add(wrapper=wrapper)
        done = check(project, cluster)
    assert done.returncode == 1, done.stderr
    for problem, ip in ips.items():
        lines = [line for line in done.stdout.splitlines() if f"({ip}): " in line]
        assert len(lines) == 1, done.stdout
        assert problem in lines[0]


STARTS_A_TASK = """
import os, time
from tests.fakes.ray_nodes import RayNodes
from tohum.process import end_with_parent

def do_task():
    time.sleep(1000)

end_with_parent()
with RayNodes(head_cores=1) as nodes:
    os.environ.update(nodes.environment)  # read when ray is imported
    print(nodes.folder, flush=True)
    import ray
    ray.init(address=nodes.address)
    ray.get(ray.remote(do_task).remote())
"""


@LONG  # Ray's agents ask the head that is gone for a minute before they end
@WITH_RAY
def test_nodes_end_with_the_process_that_started_them() -> None:
    """With all that they started, though that process cannot end them any more."""
    parent = psutil.Popen(
        [sys.executable, "-c", STARTS_A_TASK],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    family: list[psutil.Process] = []
    try:
        folder = parent.stdout.readline().decode().strip()
        until = time.monotonic() + PATIENCE
        while not any(map(is_at_work, family)):
            assert parent.poll() is None, parent.communicate()[1].decode()
            assert time.monotonic() < until
            time.sleep(0.1)
            family = parent.children(recursive=True)
        assert {"raylet", "gcs_server"} <= {each.name() for each in family}
        parent.kill()
        _, alive = psutil.wait_procs(family, timeout=PATIENCE)
        assert not alive
        shutil.rmtree(folder)
    finally:
        parent.kill()
        parent.communicate()
        for each in family:
            with suppress(psutil.NoSuchProcess):
                each.kill()


@pytest.mark.skipif(not INSTALLED, reason="Ray is not installed")
def test_an_address_where_nothing_answers_is_named_at_once(here: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(UserError, match=rf"nothing answers at 127\.0\.0\.1:{port}.*ray start"):
        results(here, f"127.0.0.1:{port}", [1])


@pytest.mark.parametrize("address", ["ray://127.0.0.1:10001", "127.0.0.1", "here", ":1"])
@pytest.mark.skipif(not INSTALLED, reason="Ray is not installed")
def test_what_is_no_address_is_refused(here: Path, address: str) -> None:
    with pytest.raises(UserError, match=r"expected null, auto, slurm, or HOST:PORT"):
        results(here, address, [1])


def test_without_ray_the_message_says_how_to_install_it(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"Ray is not installed\. Install it: .*\[cluster\]"):
        results(here, "auto", [1])


def test_a_site_is_written_where_the_nodes_look(tmp_path: Path) -> None:
    assert site_of(tmp_path / "a" / "b").shared == str(tmp_path / "a" / "b")
