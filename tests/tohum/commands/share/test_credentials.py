"""Credentials in tracked files are found; what only looks like one is not."""

import secrets
import string
import subprocess
from pathlib import Path

import pytest

from tests.conftest import PROJECT
from tohum.commands.share.credentials import find_credentials

LETTERS = string.ascii_letters + string.digits


def random_text(length: int) -> str:
    return "".join(secrets.choice(LETTERS) for _ in range(length))


def project_with(root: Path, name: str, text: str) -> Path:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    subprocess.run(["git", "add", "--all"], cwd=root, check=True)
    return root


@pytest.mark.parametrize(
    "name, text",
    [
        ("key.json", '{"private_key": "-----BEGIN PRIVATE KEY-----\\n' + random_text(900) + '"}'),
        ("notes.md", "first\nGOCSPX-" + random_text(28)),
        ("default.json", '{"refresh_token": "1//0' + random_text(80) + '"}'),
        ("log.txt", "ya29." + random_text(120)),
        ("settings.py", "TOKEN = 'ghp" + "_" + random_text(36) + "'"),
        (".dvc/config", "['remote \"s3\"']\n    secret_access_key = x\n"),
    ],
    ids=["key", "client secret", "refresh token", "access token", "GitHub", "configuration"],
)
def test_a_tracked_credential_is_found_and_not_shown(tmp_path: Path, name: str, text: str) -> None:
    (finding,) = find_credentials(project_with(tmp_path, name, text))
    assert finding.path == name
    assert str(finding).startswith(f"{name}:")
    assert len(str(finding)) < 80


@pytest.mark.parametrize("text", ["GOCSPX-" + "x" * 28, "-----BEGIN PRIVATE KEY-----\n...", "1//0"])
def test_an_example_is_no_credential(tmp_path: Path, text: str) -> None:
    assert find_credentials(project_with(tmp_path, "docs.md", text)) == []


def test_what_is_ignored_or_local_is_not_looked_at(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text(".dvc/config.local\n")
    secret = "gdrive_client_secret = GOCSPX-" + random_text(28)
    assert find_credentials(project_with(tmp_path, ".dvc/config.local", secret)) == []


def test_this_project_tracks_no_credential() -> None:
    assert find_credentials(PROJECT) == []
