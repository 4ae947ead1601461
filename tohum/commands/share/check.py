"""The result of one check of `share doctor`."""

from dataclasses import dataclass

PASSED, WARNED, FAILED = "ok", "warn", "FAIL"
SETUP = "Run `tohum share setup`."


@dataclass(frozen=True)
class Check:
    """What one check found; `fix` if it failed."""

    state: str
    name: str
    found: str
    fix: str = ""

    def __str__(self) -> str:
        fix = f". {self.fix}" if self.fix else ""
        return f"{self.state:4}  {self.name}: {self.found}{fix}"
