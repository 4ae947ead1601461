"""What can be told before a stage starts: that the disk can't hold its output, or that it is long.

Speeds are those that `tohum estimate` measured here, in `.work/estimate/speeds.json`; without them,
those of two cores in docs/speed.md.
"""

import json
import logging
import shutil
from pathlib import Path

from tohum.errors import UserError
from tohum.files import write_json
from tohum.workdir import project_root

LONG_SECONDS = 600.0
SPEEDS = {"jsonl": 110e6, "pretokens": 70e6, "encode": 70e6}  # bytes a second of what it reads
FREE_SOME = (
    "Free some space (`dvc gc -w` drops old cached outputs), or take less data; `tohum estimate` "
    "says what every stage needs."
)

log = logging.getLogger(__name__)


def speeds_path() -> Path:
    """Returns where the speeds of this machine are kept."""
    return project_root() / ".work" / "estimate" / "speeds.json"


def keep_speeds(speeds: dict[str, float]) -> None:
    """Keeps the bytes a second that stages read on this machine, by stage."""
    write_json(speeds_path(), speeds)


def folder_bytes(folder: Path) -> int:
    """Returns the bytes of all files below a folder; 0 if there is none."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def require_disk(stage: str, needed: int, folder: Path, what: str) -> None:
    """Checks that the disk of a folder has room.

    Args:
        needed: bytes that the stage writes at least, without what it has already written.
        folder: where it will be, or its nearest parent that exists.
        what: they are, for the message.

    Raises:
        UserError: there are fewer bytes free.
    """
    place = folder.absolute()
    while not place.is_dir():
        place = place.parent
    free = shutil.disk_usage(place).free
    if needed > free:
        raise UserError(
            f"the disk can't hold what the stage '{stage}' writes: {what} take at least "
            f"{needed / 1e9:.1f} GB, and {place} has {free / 1e9:.1f} GB free. {FREE_SOME}"
        )


def foretell(stage: str, size: int) -> None:
    """Logs about how long a stage takes to read `size` bytes, if that is long."""
    seconds = size / _speeds().get(stage, SPEEDS[stage])
    if seconds > LONG_SECONDS:
        log.info("this will take about %.0f minutes: %.1f GB to read", seconds / 60, size / 1e9)


def foretell_training(minutes: float | None) -> None:
    """Logs how long a training run takes that its minutes end, if that is long; one that its steps
    end shows the time left.
    """
    if minutes is not None and 60 * minutes > LONG_SECONDS:
        log.info("this will take %.0f minutes: train.minutes", minutes)


def _speeds() -> dict[str, float]:
    try:
        kept = json.loads(speeds_path().read_bytes())
        return {name: float(value) for name, value in kept.items() if float(value) > 0}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}
