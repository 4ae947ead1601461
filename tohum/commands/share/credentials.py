"""Finds credentials in what git tracks, for the pre-commit hook and `share doctor`.

    python -m tohum.commands.share.credentials

It looks at the index, which is what a commit takes, for keys and tokens of known formats
(tohum/cleaning/secret_formats.py), and for secret options in a DVC configuration that is not local.
"""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tohum.cleaning.secret_formats import NEEDLES, find_secrets
from tohum.commands.printing import tell
from tohum.errors import UserError
from tohum.translation import translated

MOST_BYTES = 5_000_000
SECRET_OPTIONS = (
    "account_key", "connection_string", "gdrive_client_secret", "oss_key_secret", "passphrase",
    "password", "sas_token", "secret_access_key", "session_token", "token",
)  # fmt: skip
OPTION = re.compile(rf"^\s*(?P<key>{'|'.join(SECRET_OPTIONS)})\s*=\s*\S", re.MULTILINE)


@dataclass(frozen=True)
class Finding:
    """A credential's place in a tracked file and its kind; never the credential itself."""

    path: str
    line: int
    kind: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.kind}"


def find_credentials(root: Path) -> list[Finding]:
    """Returns the credentials in the files that git tracks, as staged.

    Raises:
        UserError: this is not a git repository.
    """
    asked = [part for needle in NEEDLES for part in ("-e", needle)]
    suspects = set(_git(root, "grep", "--cached", "-z", "-I", "-l", "-F", *asked).split("\0"))
    configs = _git(root, "ls-files", "-z", "--", "*.dvc/config", ".dvc/config").split("\0")
    findings = []
    for path in sorted({*suspects, *configs} - {""}):
        text = _git(root, "show", f":./{path}")
        if len(text) <= MOST_BYTES:
            findings += [
                Finding(path, _line(text, secret.begin), secret.kind)
                for secret in find_secrets(text)
            ]
        if path in configs:
            findings += [
                Finding(path, _line(text, found.start("key")), f"the option {found['key']}")
                for found in OPTION.finditer(text)
            ]
    return findings


def _line(text: str, place: int) -> int:
    return text.count("\n", 0, place) + 1


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, check=False)
    except FileNotFoundError:
        raise UserError("git is not installed.") from None
    if done.returncode not in (0, 1):  # 1: git grep found nothing
        raise UserError(
            f"git {arguments[0]} failed: {done.stderr.decode(errors='replace').strip()}"
        )
    return done.stdout.decode("utf-8", "replace")


def main() -> int:
    """Prints the findings and returns the exit code: 1 if there are any."""
    findings = find_credentials(Path.cwd())
    for finding in findings:
        print(f"{finding}")
    if findings:
        tell(
            "Credentials do not belong in git. Take them out (`git rm --cached` for a file), keep "
            "them in .dvc/config.local or the environment, and revoke any that was ever pushed."
        )
    return 1 if findings else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        sys.exit(translated(f"credentials: error: {error}"))
