"""Reads conf/ and params.yaml, writes params.lock.yaml. Run alone: `python -m stages.compose`."""

from pathlib import Path

from stages.compose.composition import compose, read_overrides, write_lock_file
from stages.compose.device import check_device
from stages.compose.dvc_values import refuse_edits, warn_of_lost_source
from stages.compose.speeds import change_speeds
from tohum.config.loading import LOCK_FILE
from tohum.dvc_lock import PATH as DVC_LOCK
from tohum.process import run_stage


def main() -> None:
    overrides = read_overrides(Path("params.yaml"))
    values = compose(Path("conf"), overrides)
    check_device(values, overrides)
    refuse_edits(LOCK_FILE, values, overrides)
    warn_of_lost_source(DVC_LOCK, overrides)
    change_speeds(Path("plots/speed.csv"), LOCK_FILE, values)
    write_lock_file(LOCK_FILE, values)


if __name__ == "__main__":
    run_stage("compose", main)
