"""Every way in which Drive or the line fails: nothing is lost, and what to do is told."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.fakes.drive import QUOTA, RATE_LIMIT, RESET, TOO_MANY, UNAVAILABLE, Drive, Fault
from tests.fakes.faults import FOREVER
from tests.tohum.commands.share.conftest import OBJECTS, Shared

pytestmark = pytest.mark.slow


UPLOAD = "POST www.googleapis.com/upload/"
PART = "PUT www.googleapis.com/"
LIST = "GET www.googleapis.com/drive/v2/files?q"


@pytest.mark.parametrize(
    "fault, part, told",
    [
        pytest.param(RATE_LIMIT, UPLOAD, "", id="403 rate limit"),
        pytest.param(UNAVAILABLE, LIST, "", id="503"),
        pytest.param(TOO_MANY, UPLOAD, "Drive answered 429", id="429"),
        pytest.param(RESET, LIST, "trying again", id="reset in the list"),
        pytest.param(Fault(after=9_000), PART, "trying again", id="cut upload"),
    ],
)
def test_a_push_survives(project: Shared, fault: Fault, part: str, told: str) -> None:
    project.drive.faults.add(fault, 2, part)
    said = project.share("push", "--stall", "1")
    assert told in said
    assert "everything is on the remote" in said
    project.assert_all_is_there()


@pytest.mark.parametrize(
    "fault, times", [pytest.param(TOO_MANY, 1, id="429"), pytest.param(RESET, 2, id="reset")]
)
def test_a_pull_survives(pushed: Shared, fault: Fault, times: int) -> None:
    (model,) = (item for item in pushed.drive.files.files() if item.size == 35_000)
    pushed.drive.faults.add(fault, times, model.id)
    friend = pushed.friend()
    assert "trying again" in friend.share("pull")
    assert friend.hashes() == pushed.hashes()


def test_a_verify_survives_a_reset_in_the_list(pushed: Shared) -> None:
    pushed.drive.faults.add(RESET, 3, LIST)
    assert f"all {OBJECTS} objects" in pushed.share("verify")


def test_an_access_token_that_ends_in_a_push_is_renewed(project: Shared) -> None:
    project.share("push", "models/lm")
    project.drive.accounts.expire()
    project.share("push")
    project.assert_all_is_there()


def test_a_dead_login_is_told_with_the_seven_day_rule(project: Shared) -> None:
    project.drive.accounts.refresh_tokens.clear()
    said = project.share("push", code=1)
    assert "invalid_grant" in said
    assert "setup --login" in said
    assert "seven days" in said


def test_without_a_login_setup_is_named(pushed: Shared) -> None:
    friend = pushed.friend()
    (login,) = (friend.root.parent / "friend-home").rglob("default.json")
    login.unlink()
    said = friend.share("pull", code=1)
    assert "nobody has logged in to Drive on this machine yet" in said
    assert "share setup" in said


def test_a_full_drive_stops_at_once_and_goes_on_later(project: Shared) -> None:
    project.drive.faults.add(QUOTA, FOREVER, UPLOAD)
    said = project.share("push", code=1)
    assert "The Drive is full" in said
    assert "trying again" not in said
    project.drive.faults.clear()
    project.share("push")
    project.assert_all_is_there()


def test_a_folder_that_is_gone_is_told(project: Shared) -> None:
    project.drive.files.delete("1Fake" + "1".zfill(25))
    said = project.share("push", code=1)
    assert "The folder doesn't exist" in said
    assert "The folder doesn't exist" in project.friend().share("pull", code=1)


def test_without_a_network_it_says_so_at_once(project: Shared) -> None:
    nowhere = "http://127.0.0.1:9"
    said = project.share("push", code=1, HTTPS_PROXY=nowhere, https_proxy=nowhere)
    assert "The remote can't be reached" in said
    assert "trying again" not in said


def test_an_object_deleted_on_drives_page_is_found_and_uploaded_again(pushed: Shared) -> None:
    (victim, *_) = (item for item in pushed.drive.files.files() if item.size == 20_000)
    pushed.drive.files.delete(victim.id)
    said = pushed.share("verify", code=1)
    assert "missing  data/shards/part-" in said
    assert "Everything is up to date" in pushed.run("dvc", "push")  # dvc trusts the .dir
    assert "1 of them were missing" in pushed.share("push")
    assert f"all {OBJECTS} objects" in pushed.share("verify")
    pushed.assert_all_is_there()


def test_a_pull_of_what_was_deleted_tells_who_can_mend_it(pushed: Shared) -> None:
    (victim,) = (item for item in pushed.drive.files.files() if item.size == 35_000)
    pushed.drive.files.delete(victim.id)
    said = pushed.friend().share("pull", code=None)  # dvc's code: 1 or 255, as its threads run
    assert "models/lm/model.bin is not on the remote" in said
    assert "share push" in said


def test_two_pushes_at_once_lose_nothing(project: Shared) -> None:
    other = project.friend("other")
    other.run("dvc", "repro", "--quiet")
    pushes = [project.start("push"), other.start("push")]
    for push in pushes:
        said, _ = push.communicate()
        assert push.returncode == 0, said
    assert "The remote holds all" in project.share("verify")
    friend = project.friend()
    friend.share("pull")
    assert friend.hashes() == project.hashes()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_push_that_is_stopped_goes_on(project: Shared, number: signal.Signals) -> None:
    project.drive.faults.add(Fault(seconds=0.3), FOREVER, PART)
    push = project.start("push", "--jobs", "1")
    wait_for(project.drive, 2)
    push.send_signal(number)
    said, _ = push.communicate()
    assert push.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 130), said
    assert number == signal.SIGKILL or "run the same command to resume" in said
    project.drive.faults.clear()
    done = len(project.drive.files.files())
    assert 0 < done < OBJECTS
    project.share("push")
    project.assert_all_is_there()


def wait_for(drive: Drive, files: int) -> None:
    deadline = time.monotonic() + 30
    while len(drive.files.files()) < files:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_service_account_pushes_to_a_shared_drive_and_not_to_my_drive(
    project: Shared, service_key: Path
) -> None:
    project.use_service_account(service_key)
    assert "service account owns none" in project.share("push", code=1)
    shared = project.drive.files.add_folder("Team", shared=True)
    config = (project.root / ".dvc" / "config").read_text()
    project.write("config", config.replace("gdrive://1Fake" + "1".zfill(25), f"gdrive://{shared}"))
    project.share("push")
    project.assert_all_is_there()


def test_credentials_in_the_environment_are_enough(pushed: Shared, service_key: Path) -> None:
    friend = pushed.friend()
    (friend.root / ".dvc" / "config.local").unlink()
    home = friend.root.parent / "friend-home"
    (login,) = home.rglob("default.json")
    text = login.read_text()
    login.unlink()
    friend.share("pull", GDRIVE_CREDENTIALS_DATA=text)
    assert friend.hashes() == pushed.hashes()


def test_a_list_of_files_that_does_not_come_is_no_loss(pushed: Shared) -> None:
    """A clone in which nothing is yet needs it to know what a push would move."""
    lists = [item for item in pushed.drive.files.files() if item.title.endswith(".dir")]
    friend = pushed.friend()
    for item in lists:
        pushed.drive.faults.add(RESET, FOREVER, item.id)
    said = friend.share("push", "--tries", "2", code=1)
    assert "the list of the files of" in said and "did not come" in said
    assert "dvc repro" not in said
