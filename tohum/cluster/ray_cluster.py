"""Connects to a Ray cluster and checks its nodes, with an error in seconds where Ray would wait.

Ray asks a head that doesn't answer for a minute, and a node without the project's code fails in
each task. So the head's port is tried first, and every node is asked about itself before any work.
"""

import importlib.util
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from tohum.cluster.node import CONSTRAINED, Site, problem_here
from tohum.errors import UserError

AUTO = "auto"
CONNECT_SECONDS = 4.0
JOIN_SECONDS = "7"  # that Ray looks for its own process on this machine; a minute by default
ANSWER_SECONDS = 60.0  # a node starts a process to answer: 2 s, or 20 on a busy one
ASKED_AGAIN = 2  # times, by Ray, if the worker that was asked dies
SILENT = (
    f"it did not answer within {ANSWER_SECONDS:.0f} s: it is busy, or hangs. End Ray there, "
    "`ray stop`, and start it again."
)
GONE = "it left the cluster while it was asked. Start Ray there again."
HERE = (
    "Start Ray on this machine, `ray start --head` for a new cluster or `ray start "
    "--address=HOST:PORT` to join one, or set `cluster: null` in conf/runtime.yaml."
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Node:
    """A node of a cluster: Ray's id of it, its name and address, cores, memory in bytes."""

    id: str
    name: str
    cores: float
    memory: float


_kept: ExitStack | None = None  # of the block that keeps what it connects to


@contextmanager
def kept_connection() -> Iterator[None]:
    """Has whatever connects to a cluster in the block stay connected until it ends."""
    global _kept  # noqa: PLW0603  # as Ray has one connection in a process
    try:
        with ExitStack() as _kept:
            yield
    finally:
        _kept = None


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """Connects to the cluster at `address`, unless a block that keeps its connection has, and
    yields the module `ray`.

    Raises:
        UserError: Ray is not installed, there is no cluster, or this machine is not part of it.
    """
    if importlib.util.find_spec("ray") is None:
        raise UserError(
            f"`cluster` in conf/runtime.yaml is {address!r}, but Ray is not installed. Install it: "
            f"{CONSTRAINED}, or set `cluster: null`."
        )
    address = _checked_address(address)
    os.environ.setdefault("RAY_gcs_server_request_timeout_seconds", JOIN_SECONDS)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    if ray.is_initialized():
        yield ray
        return
    try:
        # Without an environment of its own, so that the workers that wait on the nodes are used.
        ray.init(address=address, configure_logging=False, logging_level=logging.ERROR)
    except ConnectionError as error:
        if "Token" in f"{error} {error.__cause__}":
            raise UserError(
                f"the Ray cluster at {address} asks for its token. Set RAY_AUTH_MODE=token and "
                "have its token in ~/.ray/auth_token or RAY_AUTH_TOKEN, as on its head."
            ) from None
        if address == AUTO:
            raise UserError(f"no Ray cluster was found on this machine. {HERE}") from None
        raise _not_joined(address, error) from None
    except RuntimeError as error:
        if "Version mismatch" in str(error):
            raise UserError(
                f"the cluster at {address} runs another version: {_one_line(error)}. Start it from "
                f"the project's own .venv, in which Ray is installed by {CONSTRAINED}"
            ) from None
        raise _not_joined(address, error) from None
    except Exception as error:  # Ray raises the class itself
        if type(error) is not Exception and not isinstance(error, (ValueError, TimeoutError)):
            raise
        raise _not_joined(address, error) from None
    with ExitStack() as own:
        (_kept or own).callback(ray.shutdown)
        yield ray


def _not_joined(address: str, error: Exception) -> UserError:
    return UserError(
        f"this machine is not part of the Ray cluster at {address} ({_one_line(error)}). {HERE}"
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _checked_address(address: str) -> str:
    """Returns the address to connect to, after trying its port.

    Raises:
        UserError: it is not an address, or nothing answers there.
    """
    where = "`cluster` in conf/runtime.yaml"
    if address == AUTO:
        address, where = os.environ.get("RAY_ADDRESS") or AUTO, "RAY_ADDRESS"
        if address == AUTO:
            return AUTO
    host, _, port = address.rpartition(":")
    if not host or "/" in address or not port.isdecimal():
        raise UserError(
            f"{where} is {address!r}, expected null, auto, slurm, or HOST:PORT of a Ray cluster's "
            "head, as `ray start --head` prints it: 10.0.0.1:6379."
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise UserError(
            f"nothing answers at {address}, which is {where} ({error}). Start the cluster there, "
            f"`ray start --head --port={port}`, or set `cluster: null` in conf/runtime.yaml."
        ) from None
    return address


def nodes_of(ray: Any) -> list[Node]:
    """Returns the nodes of the cluster that live, in the order of their addresses."""
    found = [
        Node(
            node["NodeID"],
            f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})",
            node["Resources"].get("CPU", 0.0),
            node["Resources"].get("memory", 0.0),
        )
        for node in _alive(ray)
    ]
    return sorted(found, key=lambda node: (node.name, node.id))


def is_one_machine(ray: Any) -> bool:
    """Returns whether all nodes that live are on this process's machine, by its name."""
    return {node["NodeManagerHostname"] for node in _alive(ray)} == {socket.gethostname()}


def _alive(ray: Any) -> list[dict[str, Any]]:
    return [node for node in ray.nodes() if node["Alive"]]


def problems_of_nodes(ray: Any, nodes: list[Node], site: Site) -> dict[str, str]:
    """Asks each node with a core whether it can do tasks of a site; returns the problems by the
    node's id.
    """
    from ray.exceptions import RayError, TaskUnschedulableError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    ask = ray.remote(problem_here)
    asked = {
        ask.options(
            num_cpus=0,
            max_retries=ASKED_AGAIN,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False),
        ).remote(site): node.id
        for node in nodes
        if node.cores >= 1
    }
    answered, silent = ray.wait(list(asked), num_returns=len(asked), timeout=ANSWER_SECONDS)
    problems = {asked[answer]: SILENT for answer in silent}
    for answer in answered:
        try:
            problem = ray.get(answer)
        except TaskUnschedulableError:
            problem = GONE
        except RayError as error:
            problem = failed_import(error, site) or f"its worker failed: {_one_line(error)[:500]}"
        if problem:
            problems[asked[answer]] = problem
    return problems


def failed_import(error: Exception, site: Site) -> str | None:
    """Returns what is wrong with a node whose worker could not import the project, or None."""
    if "No module named" not in str(error):
        return None
    return (
        f"it does not find the code in {site.code} ({_last_line(error)}). Mount the file system "
        "that has the project there, at the same path as here, and start Ray from its .venv."
    )


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if "No module named" in line]
    return lines[-1] if lines else ""


def check_nodes(ray: Any, site: Site) -> list[Node]:
    """Returns the nodes of the cluster, all of which can do tasks of a site.

    Raises:
        UserError: some of them can't; the message names each, with the fix.
    """
    nodes = nodes_of(ray)
    problems = problems_of_nodes(ray, nodes, site)
    for node in nodes:
        # the workers of a silent one check it before their first task
        if problems.get(node.id) in (SILENT, GONE):
            log.warning("%s: %s", node.name, problems.pop(node.id))
    if problems:
        listed = "; ".join(
            f"{node.name}: {problems[node.id]}" for node in nodes if node.id in problems
        )
        raise UserError(f"the cluster can't run this stage. {listed}")
    return nodes
