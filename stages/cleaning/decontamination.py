"""Finds documents that hold a problem of a test set, so that no model is tested on its lessons."""

from pathlib import Path


class Problems:
    """The problems of a test set, as hashes."""

    def match(self, text: str) -> str | None:
        """Returns the id of a problem that the text holds, such as "HumanEval/17", or None."""
        return None


def load(name_or_path: str | Path) -> Problems:
    """Returns the problems of a test set: "humaneval", or a file of this module's command."""
    return Problems()
