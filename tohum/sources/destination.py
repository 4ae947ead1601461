"""The destination of a source's download, and what earlier downloads left for it.

The stage's work directory has `raw`, data/raw in the making; `state`, the notes of each source; and
`earlier`, whose folders have both from unfinished downloads.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from tohum.config.runtime import Runtime

ROOTS = ("raw", "raw.replaced")  # of an unfinished download: its data/raw, and the previous one


@dataclass
class Destination:
    """A source's folder in data/raw, in the making.

    Attributes:
        section: the source's section, for messages: `source`, or `source.<name>` in a mix.
        name: its folder in data/raw, empty if it is the only source.
        work: the stage's work directory.
        published: the current data/raw.
    """

    section: str
    name: str
    work: Path
    published: Path
    runtime: Runtime

    @property
    def folder(self) -> Path:
        """Where the files go; existing content was written by an earlier try."""
        return self.work / "raw" / self.name

    @property
    def notes(self) -> Path:
        """The folder of what is kept next to the files until the download is complete."""
        return self.work / "state" / (self.name or "source")

    def earlier_folders(self) -> list[Path]:
        """Returns the folders of all sources in data/raw, in this download except its own, and in
        unfinished downloads, which may contain anything; those in data/raw come first.
        """
        unfinished = sorted((self.work / "earlier").glob("*/*"))
        roots = [self.published, self.work / "raw"]
        roots += [place for place in unfinished if place.name in ROOTS]
        return [
            folder
            for root in roots
            if root.is_dir()
            for folder in (root, *sorted(filter(Path.is_dir, root.iterdir())))
            if self.folder not in (folder, folder.parent)
        ]

    def earlier_journals(self) -> list[Path]:
        """Returns the journals of unfinished downloads."""
        return sorted((self.work / "earlier").rglob("*.journal"))

    def set_aside(self, complete: bool) -> None:
        """Makes this source's files one of the earlier downloads, and starts over.

        Args:
            complete: whether it has everything available, so that those set aside before can be
                deleted.
        """
        earlier = self.work / "earlier"
        earlier.mkdir(exist_ok=True)
        places = [place.relative_to(self.work) for place in (self.folder, self.notes)]
        before = sorted(earlier.glob("aside-*"))
        aside = earlier / f"aside-{len(before)}"
        for place in places:
            for old in before if complete else []:
                shutil.rmtree(old / place, ignore_errors=True)
            if (self.work / place).is_dir():
                (aside / place).parent.mkdir(parents=True, exist_ok=True)
                (self.work / place).replace(aside / place)


def link_or_copy(path: Path, target: Path) -> None:
    """Makes `target` the same file, or a copy of it where the file system has no hard links."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(path, target)
    except OSError:
        partial = target.with_name(target.name + ".partial")
        shutil.copyfile(path, partial)
        partial.replace(target)
