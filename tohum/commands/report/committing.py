"""Says what to commit after a run, and which line ends would keep it from fitting other clones."""

import re
import subprocess
from pathlib import Path

from tohum.commands.report.reproduction import committed_file, read_lock
from tohum.dvc_lock import HASHED, parse_stages

MOST_NAMED = 3
CRLF = re.compile(r"^i/lf +w/(?:crlf|mixed) +attr/text.*\t(.*)$", re.M)


def proposal(root: Path) -> str:
    """Returns what to do, or an empty text if dvc.lock is the committed one."""
    committed = committed_file(root, "dvc.lock")
    if committed is None or parse_stages(committed) == read_lock(root):
        return ""
    lines = [
        "",
        "dvc.lock here is not the committed one. Commit it, so that these results stay when git",
        "restores the file:",
        "  git commit dvc.lock params.yaml params.lock.yaml metrics plots -m 'A new model'",
    ]
    changed, folders = _with_other_line_ends(root), " ".join(HASHED)
    if changed:
        more = f" and {len(changed) - MOST_NAMED} more" if len(changed) > MOST_NAMED else ""
        lines += [
            "",
            f"But {', '.join(changed[:MOST_NAMED])}{more} end their lines in CRLF here",
            "and in LF in git, so in other clones dvc.lock would not fit them. Commit what you",
            f"changed in them, get git's bytes with `git rm --cached -r -q {folders} &&",
            f"git checkout HEAD -- {folders}`",
            "and run `dvc repro` first.",
        ]
    return "\n".join(lines)


def _with_other_line_ends(root: Path) -> list[str]:
    """Returns the code and presets that have other line ends here than in other clones."""
    command = ["git", "-c", "core.quotepath=off", "ls-files", "--eol", "--", *HASHED]
    listed = subprocess.run(command, cwd=root, capture_output=True, check=True)
    return CRLF.findall(listed.stdout.decode(errors="replace").replace("\r\n", "\n"))
