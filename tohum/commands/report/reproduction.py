"""Reports which stages gave the committed bytes again, and why others did not.

dvc.lock at HEAD has the committed hashes, dvc.lock here those of this run. Every stage up to encode
gives the same bytes on any machine; train and evaluate compute in floating point, which is the same
only on one kind of processor.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

from tohum.dvc_lock import parse_stages, read_stages
from tohum.errors import UserError
from tohum.project import NO_GIT, in_git
from tohum.translation import translated

FIGURES = "metrics/evaluate.json"
# stages that compute in floating point, and the figure that names their kind of processor
PROCESSORS = {"train": "processor", "evaluate": "evaluated_on"}


def reproduction(root: Path) -> str:
    """Returns a line for each stage: the committed bytes again, or other bytes and why."""
    if not in_git(root.resolve()):
        return f"\nReproduction: there is nothing to compare with. {root.resolve()} {NO_GIT}"
    committed, here = committed_file(root, "dvc.lock"), read_lock(root)
    before = None if committed is None else parse_stages(committed)
    if before is None:
        return "\nReproduction: no dvc.lock is committed yet. Commit the one here."
    figures = _figures(root)
    lines = ["", "Reproduction, compared with the committed dvc.lock"]
    for stage, now in here.items():
        verdict = translated(_verdict(stage, before.get(stage), now, figures))
        lines.append(f"  {stage:<12} {verdict}")
    return "\n".join(lines)


def _verdict(
    stage: str,
    before: dict[str, Any] | None,
    now: dict[str, Any],
    figures: tuple[dict[str, Any], dict[str, Any]],
) -> str:
    if before is None:
        return "not in the committed file"
    if _hashes(before, "outs") == _hashes(now, "outs"):
        return "the same bytes"
    if _hashes(before, "deps") != _hashes(now, "deps") or before.get("params") != now.get("params"):
        return "other bytes, from another configuration, code or input"
    if stage not in PROCESSORS:
        return "OTHER BYTES FROM THE SAME INPUT: please report this"
    there, here = (found.get(PROCESSORS[stage], "unknown") for found in figures)
    if there != here:
        return f"other bytes, as expected: committed from {there}, this is {here}"
    return (
        f"other bytes on the same kind of processor ({here}): another model may round differently"
    )


def _hashes(stage: dict[str, Any], kind: str) -> dict[str, str]:
    return {item["path"]: item["md5"] for item in stage.get(kind, [])}


def read_lock(root: Path) -> dict[str, Any]:
    """Returns the stages of dvc.lock.

    Raises:
        UserError: it is missing or can't be read.
    """
    path = root / "dvc.lock"
    if not path.is_file():
        raise UserError(f"{path} is missing. Run `dvc repro` first.")
    stages = read_stages(path)
    if stages is None:
        raise UserError(
            f"{path} can't be read. After a conflict in git, keep one side of it (`git checkout "
            "--ours dvc.lock`); if DVC was killed as it wrote it, delete it. Then run `dvc repro`."
        )
    return stages


def committed_file(root: Path, path: str) -> bytes | None:
    """Returns a file's content at HEAD, or None if git doesn't have it."""
    try:
        shown = subprocess.run(
            ["git", "show", f"HEAD:./{path}"], cwd=root, capture_output=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return shown.stdout


def _figures(root: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the figures of the committed model and of this one."""
    before = json.loads(committed_file(root, FIGURES) or b"{}")
    path = root / FIGURES
    return before, json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
