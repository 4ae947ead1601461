"""Setup as a user runs it, in each of the ways in, with a browser that is a script."""

import json
import sys
from pathlib import Path

import pytest

from tests.fakes.drive import Drive
from tests.tohum.commands.share.conftest import CLIENT, Shared

pytestmark = pytest.mark.slow


BROWSER = """
import sys, urllib.parse, urllib.request
asked = urllib.parse.parse_qs(urllib.parse.urlsplit(sys.argv[1]).query)
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
opener.open(asked["redirect_uri"][0] + "?code=code").read()
"""
BLOCKED = "710796635688-iivsgbgsb6uv1fap6635dhvuei09o66c.apps.googleusercontent.com"


@pytest.fixture
def fresh(project: Shared) -> Shared:
    """The project before its setup, on a machine that never logged in."""
    (project.root / ".dvc" / "config").write_text("[core]\n    analytics = false\n")
    (project.root / ".dvc" / "config.local").unlink()
    (login,) = project.root.parent.rglob("default.json")
    login.unlink()
    return project


def client_file(project: Shared) -> str:
    path = project.root.parent / "client.json"
    path.write_text(json.dumps({"installed": {"client_id": CLIENT, "client_secret": "hidden"}}))
    return str(path)


def browser(project: Shared) -> str:
    script = project.root.parent / "browser.py"
    script.write_text(BROWSER)
    return f"{sys.executable} {script} %s &"


def test_a_user_logs_in_makes_a_folder_and_pushes(fresh: Shared) -> None:
    asked = ("setup", "--client-file", client_file(fresh), "--create", "Öğrenci Modeli")
    said = fresh.share(*asked, BROWSER=browser(fresh))
    (folder,) = (item for item in fresh.drive.files.items.values() if item.title[0] == "Ö")
    config = (fresh.root / ".dvc" / "config").read_text()
    assert f"url = gdrive://{folder.id}" in config and "remote = drive" in config
    assert "hidden" not in config + said
    assert "gdrive_client_secret = hidden" in (fresh.root / ".dvc" / "config.local").read_text()
    assert ".dvc/config.local" not in fresh.run("git", "status", "--porcelain")
    fresh.share("push")
    fresh.assert_all_is_there()
    assert "0.0 days old" in fresh.share("doctor")


def test_a_folder_s_link_is_enough_where_there_is_a_login(fresh: Shared) -> None:
    fresh.log_in()
    folder = fresh.drive.files.add_folder("There before")
    link = f"https://drive.google.com/drive/u/0/folders/{folder}?usp=sharing"
    said = fresh.share("setup", "--client-file", client_file(fresh), "--folder", link)
    assert "'There before' exists and can be written to" in said
    assert f"gdrive://{folder}" in (fresh.root / ".dvc" / "config").read_text()


def test_a_service_account_needs_no_browser(fresh: Shared, service_key: Path) -> None:
    shared = fresh.drive.files.add_folder("Team", shared=True)
    fresh.share("setup", "--service-account", str(service_key), "--folder", shared)
    fresh.share("push", "models/lm")
    assert "ok    folder: 'Team', in a Shared Drive" in fresh.share("doctor")


def test_the_key_in_the_environment_is_kept_nowhere(fresh: Shared, service_key: Path) -> None:
    shared = fresh.drive.files.add_folder("Team", shared=True)
    key = service_key.read_text()
    asked = ("setup", "--credentials-from-environment", "--folder", shared)
    fresh.share(*asked, GDRIVE_CREDENTIALS_DATA=key)
    assert "private_key" not in (fresh.root / ".dvc" / "config.local").read_text()
    fresh.share("push", "models/lm", GDRIVE_CREDENTIALS_DATA=key)


@pytest.mark.parametrize(
    "flags, told",
    [
        (("--client-id", BLOCKED, "--client-secret", "x"), "this is DVC's own client"),
        ((), "no login for Drive is given"),
        (("--client-file", "nowhere.json"), "nowhere.json can't be read"),
        (("--service-account", "make.py"), "is not JSON as Google gives it"),
        (("--credentials-from-environment",), "GDRIVE_CREDENTIALS_DATA is not set"),
    ],
)
def test_what_is_missing_is_told(fresh: Shared, flags: tuple[str, ...], told: str) -> None:
    assert told in fresh.share("setup", *flags, code=1)


@pytest.mark.parametrize(
    "folder, told",
    [
        ("My models", "neither a folder's link nor its id"),
        ("1DoesNotExistAnywhere", "The folder doesn't exist"),
    ],
)
def test_a_wrong_folder_changes_no_configuration(fresh: Shared, folder: str, told: str) -> None:
    fresh.log_in()
    asked = ("setup", "--client-file", client_file(fresh), "--folder", folder)
    assert told in fresh.share(*asked, code=1)
    assert "drive" not in (fresh.root / ".dvc" / "config").read_text()


def test_a_file_is_no_folder(fresh: Shared, drive: Drive) -> None:
    fresh.log_in()
    identity = drive.files.add_folder("a file")
    drive.files.items[identity].mime = "text/plain"
    asked = ("setup", "--client-file", client_file(fresh), "--folder", identity)
    assert "is a file. Give a folder's link" in fresh.share(*asked, code=1)


def test_a_new_login_that_fails_leaves_the_one_before(pushed: Shared) -> None:
    (login,) = pushed.root.parent.rglob("default.json")
    before = login.read_bytes()
    script = pushed.root.parent / "browser.py"
    script.write_text(BROWSER.replace("?code=code", "?error=access_denied"))
    said = pushed.share("setup", "--login", code=1, BROWSER=f"{sys.executable} {script} %s &")
    assert "tohum share setup" in said
    assert login.read_bytes() == before
    assert not list(login.parent.glob("*.before"))
    pushed.share("verify")


def test_a_service_account_s_key_that_is_gone_is_a_fault_of_the_configuration(
    pushed: Shared, service_key: Path
) -> None:
    pushed.use_service_account(service_key.with_name("gone.json"))
    said = pushed.share("push", code=1)
    assert "gone.json" in said and ".dvc/config.local" in said


@pytest.mark.parametrize(
    "option", [("--stall", "0"), ("--stall", "-1"), ("--stall", "nan"), ("--jobs", "0")]
)
def test_times_and_numbers_are_above_0(project: Shared, option: tuple[str, str]) -> None:
    assert f"argument {option[0]}" in project.share("push", *option, code=2).replace("-j/", "")
