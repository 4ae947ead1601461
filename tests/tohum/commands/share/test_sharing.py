"""Push, a friend's clone, pull: with the real dvc and dvc-gdrive against the fake Drive."""

import pytest

from tests.tohum.commands.share.conftest import Shared

pytestmark = pytest.mark.slow


def test_a_friend_pulls_and_everything_is_up_to_date(project: Shared) -> None:
    said = project.share("push")
    assert "everything is on the remote" in said
    friend = project.friend()
    friend.share("pull")
    assert friend.hashes() == project.hashes()
    assert "Data and pipelines are up to date" in friend.run("dvc", "repro")
