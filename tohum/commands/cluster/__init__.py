"""See a cluster's nodes, and whether they can run the stages.

    tohum cluster check                the cluster in conf/runtime.yaml
    tohum cluster check HOST:PORT      another one

It asks every node whether it sees the project's folder, and has the same code, Python and packages;
for what is different, it prints the fix.
"""

import argparse
from collections.abc import Iterable

from tohum.commands.printing import tell
from tohum.errors import UserError
from tohum.translation import translated_label


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("action", choices=["check"], help="what to do")
    parser.add_argument(
        "address",
        nargs="?",
        metavar="CLUSTER",
        help="auto, HOST:PORT or slurm; without it, what conf/runtime.yaml has",
    )


def run(arguments: argparse.Namespace) -> int:
    """Prints the nodes, and returns 1 if one of them can't run the stages."""
    from tohum.cluster import SLURM
    from tohum.config.runtime import load_runtime

    address = arguments.address or load_runtime().cluster
    if address in (None, "null"):
        return _describe_machine()
    if address == SLURM:
        return _describe_slurm()
    return _check_ray(address)


def _describe_machine() -> int:
    import os

    import psutil

    memory = psutil.virtual_memory().total / 1e9
    tell(f"this machine: {os.cpu_count()} cores, {memory:.1f} GB")
    tell("conf/runtime.yaml has `cluster: null`, so the stages run here.")
    return 0


def _check_ray(address: str) -> int:
    from tohum.cluster.node import site_of
    from tohum.cluster.ray_cluster import connected, nodes_of, problems_of_nodes
    from tohum.files import fresh
    from tohum.workdir import project_root

    shared = project_root() / ".work" / "cluster"
    with connected(address) as ray:
        site = site_of(fresh(shared))
        nodes = nodes_of(ray)
        problems = problems_of_nodes(ray, nodes, site)
    _print_table(
        [
            (
                node.name,
                f"{node.cores:.0f}",
                f"{node.memory / 1e9:.1f} GB",
                translated_label(
                    "no" if node.id in problems else "yes" if node.cores >= 1 else "for no task"
                ),
            )
            for node in nodes
        ]
    )
    python = ".".join(map(str, site.python))
    tell(f"\nproject {site.folder}, Python {python}, code {site.code_sha256[:12]}")
    for node in nodes:
        if node.id in problems:
            tell(f"\n{node.name}: {problems[node.id]}")
    return 1 if problems else 0


def _describe_slurm() -> int:
    import subprocess

    try:
        listed = subprocess.run(
            ["sinfo", "--noheader", "--Node", "--format=%N|%c|%m|%t"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise UserError(
            f"`sinfo` does not say which nodes there are ({error}). Run this on a node from which "
            "jobs are submitted."
        ) from None
    rows = (line.split("|") for line in dict.fromkeys(listed.stdout.splitlines()))
    _print_table(
        [
            (name, cores, f"{int(size.rstrip('+')) / 1e3:.1f} GB", state)
            for name, cores, size, state in rows
        ]
    )
    tell("\nEvery job checks its node for the project's folder, code and Python when it starts.")
    return 0


def _print_table(rows: Iterable[tuple[str, str, str, str]]) -> None:
    from tohum.commands.printing import aligned

    head = map(translated_label, ("node", "cores", "memory", "ready"))
    print("\n".join(aligned([tuple(head), *rows], 160, (1, 2))))
