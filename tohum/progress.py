"""Progress bars: redrawn every second on a terminal, an occasional line in a log."""

import sys
from typing import Any

from tqdm import tqdm

from tohum.translation import translated_label

TERMINAL_SECONDS, LOG_SECONDS = 1.0, 30.0


def progress_bar(description: str, unit: str, shown: bool, **values: Any) -> "tqdm[Any]":
    """Returns a tqdm bar on standard error; `values` are passed on to tqdm."""
    seconds = TERMINAL_SECONDS if sys.stderr.isatty() else LOG_SECONDS
    return tqdm(
        desc=translated_label(description),
        unit=translated_label(unit),
        disable=not shown,
        mininterval=seconds,
        maxinterval=seconds,
        **values,
    )
