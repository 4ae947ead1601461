"""Tiny runs: a dvc.lock of four stages, written and committed."""

import copy
import json
import subprocess
from pathlib import Path
from typing import Any

import yaml

HERE, THERE = "x86_64 AuthenticAMD AVX2", "aarch64 ARM DEFAULT"


def stage(name: str) -> dict[str, Any]:
    return {
        "cmd": f"python -m stages.{name}",
        "deps": [{"path": f"stages/{name}", "hash": "md5", "md5": "1" * 32, "size": 1}],
        "params": {"params.lock.yaml": {name: {"value": 1}}},
        "outs": [{"path": f"data/{name}", "hash": "md5", "md5": "2" * 32, "size": 1}],
    }


LOCK: dict[str, Any] = {
    "schema": "2.0",
    "stages": {name: stage(name) for name in ("compose", "encode", "train", "evaluate")},
}


def git(root: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    subprocess.run(["git", *identity, *arguments], cwd=root, check=True, capture_output=True)


def write(root: Path, lock: dict[str, Any], processor: str = HERE) -> None:
    (root / "dvc.lock").write_text(yaml.safe_dump(lock), encoding="utf-8")
    (root / "metrics").mkdir(exist_ok=True)
    text = json.dumps({"processor": processor, "evaluated_on": processor})
    (root / "metrics" / "evaluate.json").write_text(text, encoding="utf-8")


def with_other(name: str, kind: str) -> dict[str, Any]:
    """The lock file with another hash of an output or a dependency of one stage."""
    lock = copy.deepcopy(LOCK)
    lock["stages"][name][kind][0]["md5"] = "3" * 32
    return lock
