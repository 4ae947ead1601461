"""Says how to get the packages of the project where a Python without them is run.

Forgetting to activate the environment is the most common first mistake, and its traceback names a
package nobody has heard of. This runs before any package is imported, in whatever Python 3 it is.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

FIRST = ("omegaconf", "psutil")  # what commands and stages import before anything else
OLDEST = (3, 11)


def require_packages() -> None:
    """Ends the process, with a message, if its Python is too old or lacks the packages."""
    told = missing(Path(__file__).parents[1])
    if not told:
        return
    told = f"error: {told}"
    if sys.version_info >= OLDEST:  # the translator's own code is not for an older one
        from tohum.translation import translated

        told = translated(told)
    sys.exit(told)


def missing(root: Path) -> str:
    """Returns what this Python lacks and what to do in the project at `root`; empty: nothing."""
    lacks = [name for name in FIRST if find_spec(name) is None]
    if sys.version_info < OLDEST:
        lack = f"is Python {sys.version.split()[0]}, and the project needs 3.11 or newer"
    elif lacks:
        lack = f"does not have the packages of this project ({lacks[0]}, ...)"
    else:
        return ""
    return f"the Python in use, {sys.executable}, {lack}. {_remedy(root)}"


def _remedy(root: Path) -> str:
    windows = sys.platform == "win32"
    scripts = root / ".venv" / ("Scripts" if windows else "bin")
    if not scripts.is_dir():
        return (
            "Make the environment first: `make install`, or without make the lines under Start in "
            "README.md."
        )
    activate = scripts / "Activate.ps1" if windows else scripts / "activate"
    return f"Activate the project's environment: {'' if windows else 'source '}{activate}"
