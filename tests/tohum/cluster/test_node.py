import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from tohum.cluster import node
from tohum.cluster.node import TOKEN, Site, boot_id, code_hash, enter, problem_here, site_of
from tohum.cluster.ray_cluster import is_one_machine
from tohum.files import SYNC, WRITER, atomic_write


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return site_of(tmp_path / "shared")


def problem_of(site: Site) -> str:
    found = problem_here(site)
    assert found is not None
    return found


def test_the_process_that_made_a_site_has_no_problem(site: Site) -> None:
    assert problem_here(site) is None
    assert [path.name for path in Path(site.shared).iterdir()] == [TOKEN]


def test_another_python_is_named_with_the_fix(site: Site) -> None:
    found = problem_of(replace(site, python=(3, 99)))
    assert "the stage runs on 3.99" in found
    assert "made with Python 3.99" in found


def test_another_version_of_the_code_is_seen(site: Site) -> None:
    assert "another version there" in problem_of(replace(site, code_sha256="0" * 64))


def test_other_code_than_the_stage_s_is_named(site: Site, tmp_path: Path) -> None:
    assert f"the stage that in {tmp_path}" in problem_of(replace(site, code=str(tmp_path)))


def test_a_package_of_another_version_is_named(site: Site) -> None:
    found = problem_of(replace(site, packages={**site.packages, "numpy": "0.1"}))
    assert "numpy" in found
    assert "expected 0.1" in found
    assert "pip install -c constraints.txt" in found


def test_a_folder_that_is_not_there_is_named(site: Site) -> None:
    assert "does not see /nowhere. Mount" in problem_of(replace(site, folder="/nowhere"))


def test_a_folder_of_the_same_name_that_is_not_shared_is_seen(site: Site) -> None:
    Path(site.shared, TOKEN).write_text("of another run")
    assert "is not the folder that the stage writes to" in problem_of(site)


def test_the_hash_of_the_code_changes_with_each_file(tmp_path: Path) -> None:
    module = tmp_path / "tohum" / "a.py"
    module.parent.mkdir()
    module.write_text("A = 1\n")
    before = code_hash(tmp_path)
    (tmp_path / "tohum" / ".a.py.swp").write_text("x")
    assert code_hash(tmp_path) == before
    module.write_text("A = 2\n")
    assert code_hash(tmp_path) != before


@pytest.mark.parametrize("boot", ["of another machine", "", None])
def test_nodes_of_one_machine_do_not_sync_work_that_a_mark_knows(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, boot: str | None
) -> None:
    monkeypatch.setattr(node, "_entered", None)
    monkeypatch.setenv(WRITER, "")  # as before, after the test
    monkeypatch.setenv(SYNC, "1")
    if boot is not None:
        monkeypatch.delenv(SYNC)
    monkeypatch.chdir(tmp_path)
    synced: list[int] = []
    enter(replace(site, boot=boot_id() if boot is None else boot))
    monkeypatch.setattr(os, "fsync", synced.append)
    with atomic_write(tmp_path / "a", sync=False) as file:
        file.write(b"whole")
    assert len(synced) == (boot is not None or not boot_id())


def test_a_site_of_several_machines_names_none(tmp_path: Path) -> None:
    assert site_of(tmp_path / "a").boot == ""
    assert site_of(tmp_path / "b", one_machine=True).boot == boot_id()


@pytest.mark.parametrize(
    ("others", "expected"), [([], True), (["elsewhere"], False), ([None], True)]
)
def test_nodes_are_of_one_machine_if_all_have_its_name(
    others: list[str | None], expected: bool
) -> None:
    here = socket.gethostname()

    class Cluster:
        @staticmethod
        def nodes() -> list[dict[str, object]]:
            hosts = [here, *(host or here for host in others)]
            gone = [{"NodeManagerHostname": "gone", "Alive": False}]
            return [{"NodeManagerHostname": host, "Alive": True} for host in hosts] + gone

    assert is_one_machine(Cluster()) == expected
