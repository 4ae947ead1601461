from pathlib import Path

import pytest
from dvc.config import Config

from tests.conftest import PROJECT
from tohum.commands.share.remotes import read_remote, settle_remotes


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project in a folder with a space in its name, without a remote."""
    root = tmp_path / "my models"
    (root / ".dvc").mkdir(parents=True)
    (root / ".dvc" / "config").write_text("[core]\n    analytics = false\n")
    return root


def remote(root: Path, url: str, file: str = "config") -> None:
    """Adds a remote, which is the default, to a file of configuration."""
    with (root / ".dvc" / file).open("a") as config:
        config.write(f"""[core]\n    remote = mine\n['remote "mine"']\n    url = {url}\n""")


def local(root: Path) -> str:
    """What .dvc/config.local says."""
    path = root / ".dvc" / "config.local"
    return path.read_text() if path.exists() else ""


def test_a_project_has_no_remote_in_git_that_dvc_reads_as_a_path_from_the_root() -> None:
    assert "url" not in (PROJECT / ".dvc" / "config").read_text()


def test_without_a_remote_the_folder_in_the_project_is_the_default(root: Path) -> None:
    settle_remotes(root)
    found = read_remote(root, None)
    assert (found.name, Path(found.url)) == ("local", root / ".share")
    assert "url = ../.share" in local(root), "so that the project can be moved"
    before = local(root)
    settle_remotes(root)
    assert local(root) == before


@pytest.mark.parametrize(
    "url", ["../../stick", "../a b", "/media/stick/to hum", "s3://bucket/a b", "gdrive://root"]
)
def test_a_remote_of_git_keeps_its_place(root: Path, url: str) -> None:
    (root / ".dvc" / "config").write_text("")
    remote(root, url)
    before = read_remote(root, None)
    settle_remotes(root)
    assert read_remote(root, None) == before
    assert local(root) == (
        f"""['remote "mine"']\n    url = {url}\n""" if url.startswith("..") else ""
    )
    local_only = Config(str(root / ".dvc")).load_one("local")["remote"]
    assert local_only.get("mine", {}).get("url", before.url) == before.url


def test_a_remote_of_this_machine_stays_as_it_is(root: Path) -> None:
    remote(root, "/media/stick", "config.local")
    before = local(root)
    settle_remotes(root)
    assert local(root) == before


def test_an_address_of_this_machine_for_a_remote_of_git_stays(root: Path) -> None:
    (root / ".dvc" / "config").write_text("")
    remote(root, "../.share")
    remote(root, "/media/stick", "config.local")
    settle_remotes(root)
    assert read_remote(root, None).url == "/media/stick"


def test_the_option_of_a_remote_local_without_a_default_is_kept(root: Path) -> None:
    (root / ".dvc" / "config.local").write_text("""['remote "local"']\n    url = /media/stick\n""")
    settle_remotes(root)
    found = read_remote(root, None)
    assert (found.name, found.url) == ("local", "/media/stick")


def test_a_folder_that_is_no_project_is_left_alone(tmp_path: Path) -> None:
    settle_remotes(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("url", ["s3://bucket/tohum", "../../stick"])
def test_the_folder_makes_way_for_a_default_remote_of_git(root: Path, url: str) -> None:
    settle_remotes(root)
    assert read_remote(root, None).name == "local"
    (root / ".dvc" / "config").write_text("")
    remote(root, url)  # as `dvc remote add -d`, or a friend's commit
    settle_remotes(root)
    assert read_remote(root, None).name == "mine"
    assert read_remote(root, "local").url.endswith(".share"), "what is there can still be had"


def test_a_default_that_the_user_chose_for_this_machine_stays(root: Path) -> None:
    (root / ".dvc" / "config").write_text("")
    remote(root, "s3://bucket/tohum")
    (root / ".dvc" / "config.local").write_text(
        "[core]\n    remote = local\n['remote \"local\"']\n    url = /media/stick\n"
    )
    settle_remotes(root)
    assert read_remote(root, None).url == "/media/stick"


def test_the_folder_makes_way_for_a_remote_of_its_own_name(root: Path) -> None:
    settle_remotes(root)
    (root / ".dvc" / "config").write_text(
        "[core]\n    remote = local\n['remote \"local\"']\n    url = /media/stick\n"
    )
    settle_remotes(root)
    assert read_remote(root, None).url == "/media/stick"
