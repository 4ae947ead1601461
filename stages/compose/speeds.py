"""Keeps plots/speed.csv with the configuration that it was measured with.

It is not an output, since two runs that give equal bytes never have equal speeds. So when DVC takes
a model from its cache, the speeds there would be those of the training before.
"""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import yaml

from tohum.workdir import project_root

AFTER_TRAINING = ("evaluate",)  # sections that no training depends on


def change_speeds(plot: Path, lock: Path, values: dict[str, Any]) -> None:
    """Puts the speeds of the configuration in the lock file aside if `values` are another, and
    brings back those that were put aside for `values`, if any.
    """
    before, after = _key(_values(lock)), _key(values)
    if before == after:
        return
    folder = project_root() / ".work" / "speed"
    folder.mkdir(parents=True, exist_ok=True)
    if plot.is_file():
        shutil.move(plot, folder / f"{before}.csv")
    kept = folder / f"{after}.csv"
    if kept.is_file():
        plot.parent.mkdir(exist_ok=True)
        shutil.copy(kept, plot)


def _values(lock: Path) -> Any:
    try:
        return yaml.safe_load(lock.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return None


def _key(values: Any) -> str:
    known = values if isinstance(values, dict) else {}
    trained = {name: known[name] for name in known if name not in AFTER_TRAINING}
    text = json.dumps(trained, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
