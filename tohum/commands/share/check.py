"""The result of one check of `share doctor`."""

from dataclasses import dataclass

from tohum.translation import translated, translated_label

PASSED, WARNED, FAILED = "ok", "warn", "FAIL"
SETUP = "Run `tohum share setup`."


@dataclass(frozen=True)
class Check:
    """What one check found; `fix` if it failed. As a string, it is in the user's language."""

    state: str
    name: str
    found: str
    fix: str = ""

    def __str__(self) -> str:
        name, found = translated_label(self.name), translated(self.found)
        fix = f". {translated(self.fix)}" if self.fix else ""
        return f"{self.state:4}  {name}: {found}{fix}"
