"""What this machine has: memory, room on the disk of the project, and cores."""

import shutil
from dataclasses import dataclass

import psutil

from tohum.workdir import project_root


@dataclass(frozen=True)
class Machine:
    """Bytes of memory that programs may use now, bytes free on the project's disk, and cores."""

    memory: int
    disk: int
    cores: int


def this_machine() -> Machine:
    """Returns what there is now."""
    return Machine(
        int(psutil.virtual_memory().available),
        shutil.disk_usage(project_root()).free,
        psutil.cpu_count() or 1,
    )
