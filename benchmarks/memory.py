"""The peak memory of a process."""

from pathlib import Path

MEGABYTE = 1_000_000


def peak_megabytes() -> float:
    """Returns the peak memory of this process, in MB (10^6 bytes)."""
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss of a child starts with its parent's on Linux
        (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) * 1024 / MEGABYTE
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MEGABYTE
