"""The checks of `share doctor`: one line each, and a fix where one fails."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tohum.commands.share.conftest import CLIENT, Shared

pytestmark = pytest.mark.slow


Change = Callable[[Shared], None]


def test_all_is_well(project: Shared) -> None:
    lines = project.share("doctor").splitlines()
    assert {line.split()[0] for line in lines} == {"ok"}
    names = [line.split(":")[0].split("  ")[-1] for line in lines]
    assert names == [
        "tracked files", "remote", "packages", "OAuth client", "login", "login's age", "network",
        "clock", "token", "scope", "folder", "writable", "space",
    ]  # fmt: skip


def _blocked_client(project: Shared) -> None:
    project.remote("", profile="default")


def _no_login(project: Shared) -> None:
    (login,) = project.root.parent.rglob("default.json")
    login.unlink()


def _dead_login(project: Shared) -> None:
    project.drive.accounts.refresh_tokens.clear()


def _narrow_scope(project: Shared) -> None:
    narrow = "https://www.googleapis.com/auth/drive.file"
    project.drive.accounts.scope = narrow
    project.log_in(scopes=[narrow])


def _no_folder(project: Shared) -> None:
    project.drive.files.items["1Fake" + "1".zfill(25)].trashed = True


def _full(project: Shared) -> None:
    project.drive.files.quota = 0


def _wrong_clock(project: Shared) -> None:
    project.drive.skew = 900


def _testing(project: Shared) -> None:
    project.log_in(token_response={"refresh_token_expires_in": 604799, "expires_in": 3600},
                   token_expiry=_week_ago())  # fmt: skip


def _week_ago() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 8 * 86400))


def _tracked_secret(project: Shared) -> None:
    config = project.root / ".dvc" / "config"
    config.write_text(config.read_text() + "    gdrive_client_secret = x\n")
    project.run("git", "add", ".dvc/config")


@pytest.mark.parametrize(
    "change, told",
    [
        (_blocked_client, "FAIL  OAuth client: none of your own is set, and Google blocks"),
        (_no_login, "FAIL  login: there is none"),
        (_dead_login, "FAIL  token: Access token refresh failed: invalid_grant"),
        (_narrow_scope, "FAIL  scope: only https://www.googleapis.com/auth/drive.file"),
        (_no_folder, "FAIL  folder: the folder 'shared' is in Drive's trash"),
        (_full, "FAIL  space: 0 bytes left"),
        (_wrong_clock, "FAIL  clock: this machine's is 900 s behind"),
        (_testing, "FAIL  login's age: age unknown: its seven days of 'Testing' are over"),
        (_tracked_secret, "FAIL  tracked files: .dvc/config:5: the option gdrive_client_secret"),
    ],
)
def test_a_failed_check_has_its_fix(project: Shared, change: Change, told: str) -> None:
    change(project)
    said = project.share("doctor", code=1)
    (line,) = (line for line in said.splitlines() if line.startswith("FAIL"))
    line = re.sub(r"\b(899|901) s behind", "900 s behind", line)  # a second may turn between
    assert line.startswith(told)
    assert ". " in line.removeprefix(told)
    assert "1 check failed" in said


def test_a_service_account_on_my_drive_is_told_before_any_upload(
    project: Shared, service_key: Path
) -> None:
    project.use_service_account(service_key)
    assert "FAIL  space: a service account has no space" in project.share("doctor", code=1)


def test_who_may_only_read_is_warned(project: Shared) -> None:
    project.drive.files.items["1Fake" + "1".zfill(25)].writable = False
    assert "warn  writable: this account may only read" in project.share("doctor")


def test_without_a_network_the_rest_is_told(project: Shared) -> None:
    nowhere = "http://127.0.0.1:9"
    said = project.share("doctor", code=1, HTTPS_PROXY=nowhere, https_proxy=nowhere)
    assert "FAIL  network" in said and "ok    login" in said
    assert "FAIL" not in project.share("doctor", "--offline", HTTPS_PROXY=nowhere)


def test_a_login_of_testing_that_lives_is_warned(project: Shared) -> None:
    project.drive.accounts.testing = True
    project.share("push", "models/lm")  # its renewal tells when the refresh token ends
    assert "ends in 7.0 days ('Testing'). Publish the app" in project.share("doctor")
    (login,) = project.root.parent.rglob("default.json")
    assert json.loads(login.read_text())["client_id"] == CLIENT
