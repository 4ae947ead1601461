import unicodedata
from pathlib import Path
from typing import Any, Literal

import pytest

from stages.jsonl.checks import check_opt_out
from stages.jsonl.opt_out import OptOut, matched_lines, read_opt_out
from tests.conftest import PROJECT
from tohum.cleaning.documents import TextDocument
from tohum.errors import UserError

ID = "0123456789abcdef0123456789abcdef01234567"


def opt_out(folder: Path, text: str) -> OptOut:
    path = folder / "opt_out.txt"
    path.write_text(text, "utf-8")
    return read_opt_out(path)


def record(**changes: Any) -> dict[str, Any]:
    return {"id": "f" * 40, "repo": "owner/name", "path": "src/main.py", **changes}


@pytest.mark.parametrize(
    ("line", "covered"),
    [
        ("repo owner/name", True),
        ("repo Owner/Name", True),
        ("repo owner/nam", False),
        ("path src/", True),
        ("path *.py", True),
        ("path owner/name/src/*.py", True),
        ("path other/name/src/*.py", False),
        ("path /main.py", False),
        (f"id {'F' * 40}", True),
        (f"id {ID}", False),
        ("# repo owner/name", False),
        ("", False),
    ],
)
def test_a_line_covers_what_it_names(tmp_path: Path, line: str, covered: bool) -> None:
    assert opt_out(tmp_path, f"# a comment\n\n{line}\n").covers(record()) == covered


def test_a_record_without_repo_or_path_is_covered_by_its_id_only(tmp_path: Path) -> None:
    listed = opt_out(tmp_path, f"repo none\nid {ID}\n")
    assert not listed.covers(record(repo=None, path=None))
    assert listed.covers(record(repo=None, path=None, id=ID))


@pytest.mark.parametrize(
    "value",
    [
        "https://github.com/owner/name",
        "https://github.com/Owner/Name.git",
        "http://www.github.com/owner/name/",
        "https://user:token@github.com:443/owner/name?tab=readme#about",
        "https://github.com/owner/name/tree/main",
        "git@github.com:owner/name.git",
        "ssh://git@github.com/owner/name.git",
        "git+https://github.com/owner/name",
        "github.com/owner/name",
        "https://huggingface.co/datasets/owner/name",
        "https://gitlab.com/owner/name/-/tree/main/src",
        "owner/name.git",
        "owner/name/",
        "/owner/name",
        "owner/*",
        "https://github.com/owner",
        "owner/name  # asked by mail",
        "OWNER/NAME\t# asked",
    ],
)
def test_an_address_an_owner_or_a_comment_names_the_repository(tmp_path: Path, value: str) -> None:
    for listed in (opt_out(tmp_path, f"repo {value}\n"), opt_out(tmp_path, f"REPO\t{value}\r")):
        assert listed.covers(record())
        assert listed.covers(record(repo="https://github.com/Owner/name.git"))
        assert not listed.covers(record(repo="owner2/name"))
        assert not listed.covers(record(repo="other/owner"))


def test_an_owner_is_all_of_its_repositories_and_groups(tmp_path: Path) -> None:
    listed = opt_out(tmp_path, "repo acme/*\n")
    assert listed.covers(record(repo="Acme/one")) and listed.covers(record(repo="acme/group/two"))
    assert not listed.covers(record(repo="acme")) and not listed.covers(record(repo="acme2/one"))


@pytest.mark.parametrize("name", ["requests", "My Project", "a, b"])
def test_a_package_or_a_folder_is_a_repository_without_an_owner(tmp_path: Path, name: str) -> None:
    assert opt_out(tmp_path, f"repo {name}\n").covers(record(repo=name))


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_accented_letters_are_equal_however_they_are_composed(
    tmp_path: Path, form: Literal["NFC", "NFD"]
) -> None:
    listed = opt_out(tmp_path, unicodedata.normalize(form, "path çığ.py\nrepo örnek\n"))
    for other in ("NFC", "NFD"):
        assert listed.covers(record(path=unicodedata.normalize(other, "src/çığ.py")))
        assert listed.covers(record(repo=unicodedata.normalize(other, "örnek")))


REFUSED = [
    *("owner/name", "repo", "repos owner/name", "id 123", "path   ", f"id {ID}0", "id swh:1:cnt:a"),
    *(
        "repo acme/sec*",
        "repo */secret",
        "repo *",
        "repo acme/secret asked",
        "repo a/b,c/d",
        "repo /",
    ),
    *("repo https://github.com", "repo https://github.com/acme/x/blob/main/a.py", "repo acme//x"),
    *("repo https://github.com/acme/x/issues", "repo acme/secret#asked", "repo acme\\secret"),
    *("path https://github.com/acme/x/a.py", "path docs\\a.py", "path C:/docs", "path ../a.py"),
    *("path a[b", "path a\\", "path /", "path !", "path a//b", "path ./"),
]


@pytest.mark.parametrize("line", REFUSED)
def test_another_line_is_refused_with_its_number(tmp_path: Path, line: str) -> None:
    with pytest.raises(UserError, match=r"opt_out\.txt, line 2"):
        opt_out(tmp_path, f"repo a/b\n{line}\n")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_byte_order_mark_names_the_encoding(tmp_path: Path, encoding: str, end: str) -> None:
    path = tmp_path / "opt_out.txt"
    path.write_bytes(f"# özür{end}path ş.py{end}repo owner/name".encode(encoding))
    assert read_opt_out(path).covers(record()) and read_opt_out(path).covers(record(path="ş.py"))


@pytest.mark.parametrize("encoding", ["cp1254", "utf-16-le", "utf-16-be"])
def test_another_encoding_is_refused_by_its_line(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "opt_out.txt"
    path.write_bytes(
        ("" if "16" in encoding else "repo a/b\n").encode(encoding) + "path ş".encode(encoding)
    )
    with pytest.raises(UserError, match=r"opt_out\.txt, line [12] has .* Save the file as UTF-8"):
        read_opt_out(path)


def test_a_list_that_cannot_be_read_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "folder.txt").mkdir()
    (tmp_path / "link.txt").symlink_to(tmp_path / "none")
    for name in ("folder.txt", "link.txt"):
        with pytest.raises(UserError, match=rf"{name} (cannot be read|is a link to nothing)"):
            read_opt_out(tmp_path / name)


def test_a_document_is_dropped_with_all_lines_that_match(tmp_path: Path) -> None:
    listed = opt_out(tmp_path, "repo owner/*\npath src/\nrepo a/b\npath *.py # all\npath !x\n")
    reason = listed.check(TextDocument(record(), "", 0))
    assert reason is not None
    assert matched_lines(reason.detail) == {1, 2, 4}
    assert set(listed.entries) == {1, 2, 3, 4}


def test_each_line_that_matched_nothing_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    check_opt_out({1: "repo a/b", 3: "path x"}, {1})
    assert len(caplog.records) == 1
    assert "line 3: `path x` matches no document" in caplog.text


def test_a_missing_list_and_the_committed_one_are_empty(tmp_path: Path) -> None:
    assert read_opt_out(tmp_path / "none.txt").empty
    assert read_opt_out(PROJECT / "conf" / "opt_out.txt").empty
