import hashlib
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.download.downloading import download
from tests.conftest import PROJECT
from tests.tiny import runtime
from tohum.errors import UserError
from tohum.formats.raw import read_raw
from tohum.sources.config import read_source
from tohum.sources.local import LocalSource, _read_again, local_files
from tohum.sources.offered_files import sample

EVERYTHING = LocalSource(
    kind="local",
    path="",
    license=None,
    suffixes=[],
    exclude=[],
    max_file_bytes=1000,
    max_line_bytes=100,
    max_bytes=10**9,
)


def write(root: Path, files: dict[str, str | bytes]) -> None:
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content.encode() if isinstance(content, str) else content)


def listed(source: LocalSource, root: Path) -> tuple[list[str], Counter[str]]:
    left_out: Counter[str] = Counter()
    offered = local_files(replace(source, path=str(root)), left_out)
    return [file.path for file in offered], left_out


def git_lists(root: Path) -> set[str]:
    """The reference: what git would track."""
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    if not (root / ".git").exists():
        subprocess.run(["git", "init", "-q", root], check=True, env=environment)
    command = ["git", "-C", str(root), "ls-files", "-coz", "--exclude-standard"]
    done = subprocess.run(command, capture_output=True, check=True, env=environment)
    return set(os.fsdecode(done.stdout).split("\0")) - {""}


TREE: dict[str, str | bytes] = dict.fromkeys(
    ["a/a/c.py", "a/b/c.py", "a/x", "b/a/x.py", "b/b", "b/c.py", "c.py", "x", "[a]", "a b "], "1\n"
)
WORDS = ["a", "b", "x", "c.py", "#", "\\a", "\\", "a b ", "a b\\ "]
WILDCARDS = ["*", "**", "***", "*.py", "?", "?.*"]
BRACKETS = ["[ab]", "[!a]", "[^b-x]", "[[:alpha:]]", "[]a]", "\\[a]", "[a"]
ATOMS = st.sampled_from([*WORDS, *WILDCARDS, *BRACKETS])
PATTERNS = st.builds(
    lambda negated, anchored, parts, folder: negated + anchored + "/".join(parts) + folder,
    st.sampled_from(["", "", "!"]),
    st.sampled_from(["", "", "/"]),
    st.lists(ATOMS, min_size=1, max_size=3),
    st.sampled_from(["", "", "/", "  ", "\r"]),
)
IGNORE_FILES = st.dictionaries(
    st.sampled_from(["", "a/", "b/", "a/b/"]),
    st.lists(PATTERNS, min_size=1, max_size=4),
    max_size=3,
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tree")
    write(root, TREE)
    return root


@settings(max_examples=100, deadline=None)
@given(IGNORE_FILES)
def test_the_files_are_those_that_git_does_not_ignore(
    tree: Path, ignores: dict[str, list[str]]
) -> None:
    for at in ("", "a/", "b/", "a/b/"):
        write(tree, {f"{at}.gitignore": "\n".join(ignores.get(at, [])) + "\n"})
    assert set(listed(EVERYTHING, tree)[0]) == git_lists(tree)


@pytest.mark.parametrize(
    ("ignores", "kept"),
    [
        # A folder taken back does not take back what another pattern ignores inside it.
        ({"": "key.py\n!src/\n"}, {"src/a.py", "src/deep/a.py"}),
        # What stands in a folder of which only the content is ignored can be taken back.
        ({"": "src/**\n!src/key.py\n"}, {"key.py", "src/key.py"}),
        ({"": "*\n!*/\n!a.py\n"}, {"src/a.py", "src/deep/a.py"}),
        # Nothing below an ignored folder can be taken back.
        ({"": "src/\n!src/a.py\n"}, {"key.py"}),
        # The deeper file wins.
        ({"": "a.py\n", "src/": "!a.py\n"}, {"key.py", "src/a.py", "src/deep/a.py", "src/key.py"}),
        ({"": "a.py\n", "src/deep/": "!/a.py\n"}, {"key.py", "src/deep/a.py", "src/key.py"}),
        # Editors on Windows write a byte order mark.
        ({"": b"\xef\xbb\xbfkey.py\r\n"}, {"src/a.py", "src/deep/a.py"}),
        # A form feed is no line end.
        ({"": "x\x0ckey.py\n"}, {"key.py", "src/a.py", "src/deep/a.py", "src/key.py"}),
    ],
)
def test_nested_and_negated_patterns_hold_as_in_git(
    tmp_path: Path, ignores: dict[str, str | bytes], kept: set[str]
) -> None:
    write(tmp_path, dict.fromkeys(["key.py", "src/a.py", "src/key.py", "src/deep/a.py"], "1\n"))
    write(tmp_path, {f"{at}.gitignore": text for at, text in ignores.items()})
    paths, _ = listed(replace(EVERYTHING, suffixes=[".py"]), tmp_path)
    assert set(paths) == kept
    assert {path for path in git_lists(tmp_path) if path.endswith(".py")} == kept


def test_configured_patterns_hold_against_every_gitignore(tmp_path: Path) -> None:
    write(tmp_path, {"vendor/a.py": "1", "src/vendor/a.py": "1", "src/a.py": "1", "a.min.js": "1"})
    write(tmp_path, {".gitignore": "!vendor/\n", "src/.gitignore": "!vendor/\n!*.min.js\n"})
    source = replace(EVERYTHING, exclude=["vendor/", "*.min.js"], suffixes=[".py", ".js"])
    paths, left_out = listed(source, tmp_path)
    assert paths == ["src/a.py"]
    assert left_out == {"ignored folder": 2, "ignored file": 1, "other suffix": 2}


def test_every_file_left_out_is_counted_by_its_reason(tmp_path: Path) -> None:
    minified = "minified or generated (a line longer than max_line_bytes)"
    write(
        tmp_path,
        {
            "good.py": "x = 1\n",
            "limit.py": "y" * 100 + "\n",
            "upper.PY": "1\n",
            "empty.py": "",
            "latin.py": b"# \xe9\n",
            "binary.py": b"a\0b",
            "long.py": "y" * 101 + "\n",
            "large.py": "y\n" * 501,
            "note.txt": "1\n",
            "ignored.py": "1\n",
            "build/a.py": "1\n",
            ".git/config.py": "1\n",
            ".gitignore": "ignored.py\nbuild\n",
        },
    )
    paths, left_out = listed(replace(EVERYTHING, suffixes=[".py"]), tmp_path)
    assert paths == ["empty.py", "good.py", "latin.py", "limit.py", "upper.PY"]
    assert left_out == {
        "binary": 1,
        minified: 1,
        "larger than max_file_bytes": 1,
        "other suffix": 2,
        "ignored file": 1,
        "ignored folder": 2,
    }


def test_no_suffixes_take_every_text_file(tmp_path: Path) -> None:
    write(tmp_path, {"Makefile": "all:\n", "a.py": "1\n", "a.bin": b"\0"})
    assert listed(EVERYTHING, tmp_path)[0] == ["Makefile", "a.py"]


@pytest.mark.skipif(sys.platform == "win32", reason="symbolic links need a privilege")
def test_symbolic_links_are_counted_and_not_followed(tmp_path: Path) -> None:
    write(tmp_path, {"root/a.py": "1\n", "outside/b.py": "1\n", "outside/rules": "a.py\n"})
    root = tmp_path / "root"
    (root / "file.py").symlink_to(root / "a.py")
    (root / "folder").symlink_to(tmp_path / "outside")
    (root / "loop").symlink_to(root)
    (root / "broken.py").symlink_to(root / "none")
    (root / ".gitignore").symlink_to(tmp_path / "outside" / "rules")
    paths, left_out = listed(EVERYTHING, root)
    assert paths == ["a.py"]
    assert left_out == {"symbolic link": 5}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_a_name_that_is_not_unicode_is_counted(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": "1\n"})
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/b\xff.py")).write_text("1\n")
    assert listed(EVERYTHING, tmp_path) == (["a.py"], Counter({"name that is not Unicode": 1}))


def test_a_file_comes_with_its_provenance(tmp_path: Path) -> None:
    write(tmp_path, {"project/src/a.py": "1\n"})
    source = replace(EVERYTHING, path=str(tmp_path / "project"), license="MIT")
    (found,) = local_files(source, Counter())
    assert (found.repo, found.path, found.source) == ("project", "src/a.py", "local")
    assert (found.license, found.size) == ("MIT", 2)


def test_the_folder_is_relative_to_the_projects_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"code/a.py": "1\n", "elsewhere/b.py": "1\n"})
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path / "elsewhere")
    offered = local_files(replace(EVERYTHING, path="code"), Counter())
    assert [file.path for file in offered] == ["a.py"]


def test_a_missing_folder_is_refused_by_name(tmp_path: Path) -> None:
    path = str(tmp_path / "none")
    with pytest.raises(UserError) as caught:
        local_files(replace(EVERYTHING, path=path), Counter())
    assert str(caught.value) == (
        f"source.path is {path!r}, but there is no folder {path}. Give the folder of your files."
    )


def test_the_sample_is_the_same_whatever_the_order_on_disk(tmp_path: Path) -> None:
    names = [f"{number % 3}/{number}.py" for number in range(40)]
    for root, order in (("one", names), ("two", names[::-1])):
        for name in order:
            write(tmp_path / root, {name: f"{name}\n" * 5})
    chosen = []
    for root in ("one", "two"):
        left_out: Counter[str] = Counter()
        offered = local_files(replace(EVERYTHING, path=str(tmp_path / root)), left_out)
        chosen.append([item.path for item in sample(offered, 600, left_out)])
        assert len(chosen[-1]) + left_out["above max_bytes"] == 40
    assert chosen[0] == chosen[1]
    assert 5 < len(chosen[0]) < 40


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_download_holds_the_files_and_what_was_left_out(project: Path) -> None:
    write(project, {"code/b.py": "b\n", "code/a.py": "a\n", "code/c.py": b"\0"})
    download(replace(EVERYTHING, path="code"), project / "data" / "raw", runtime())
    read = [(file.path, content) for file, content in read_raw(project / "data" / "raw")]
    assert read == [("a.py", b"a\n"), ("b.py", b"b\n")]
    assert '"binary": 1' in (project / "data" / "raw" / "source.json").read_text()


def test_what_office_leaves_beside_open_files_is_left_out_by_the_preset(project: Path) -> None:
    preset = yaml.safe_load((PROJECT / "conf/source/local.yaml").read_text(encoding="utf-8"))
    write(project, dict.fromkeys(["a.csv", "~$b.xlsx", "in/~$c.docx", ".~lock.a.csv#"], "x\n"))
    paths, _ = listed(replace(EVERYTHING, exclude=preset["exclude"]), project)
    assert paths == ["a.csv"]


def test_a_source_without_files_is_refused_with_the_reasons(project: Path) -> None:
    write(project, {"code/c.py": b"\0"})
    with pytest.raises(UserError) as caught:
        download(replace(EVERYTHING, path="code"), project / "data" / "raw", runtime())
    assert str(caught.value) == (
        "the source has no files to train on; left out: 1 binary. "
        "Check `source` in params.lock.yaml, and change it in params.yaml."
    )
    assert not (project / "data").exists()


LINUX = pytest.mark.skipif(sys.platform != "linux", reason="names and limits of Linux")
NOT_ROOT = 65534


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """A folder of this process, which has no rights that another user would not have."""
    with TemporaryDirectory() as name:
        root = Path(name).resolve()
        user = os.geteuid()
        if user == 0:
            os.chown(root, NOT_ROOT, -1)
            os.seteuid(NOT_ROOT)
        try:
            yield root
        finally:
            os.seteuid(user)


@LINUX
def test_what_may_not_be_read_is_left_out_and_named(
    unprivileged: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = unprivileged
    write(root, dict.fromkeys(["a.py", "shut/b.py", "c.py", "secret/d.py", "secret/e/f.py"], "1\n"))
    write(root, {"secret/.gitignore": "d.py\n"})
    for path in ("shut", "c.py", "secret/.gitignore"):
        (root / path).chmod(0)
    paths, left_out = listed(EVERYTHING, root)
    (root / "shut").chmod(0o700)
    assert paths == ["a.py"]
    assert left_out == {
        "folder that cannot be read (Permission denied)": 1,
        "folder with a .gitignore that cannot be read (Permission denied)": 1,
        "unreadable (Permission denied)": 1,
    }
    for path in ("'shut/'", "'c.py'", "'secret/'"):
        assert path in caplog.text
    with pytest.raises(UserError, match=r"cannot be read \(Permission denied\)"):
        (root / "shut").chmod(0)
        listed(EVERYTHING, root / "shut" / "inner")


@pytest.fixture
def deep() -> Iterator[Path]:
    """A folder for a tree too deep for Python to delete."""
    root = Path(mkdtemp()).resolve()
    yield root
    subprocess.run(["rm", "-rf", root], check=True)


@LINUX
def test_folders_nest_as_deep_as_the_system_allows_and_deeper_ones_are_named(
    deep: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = deep
    place = os.open(root, os.O_RDONLY)
    for _ in range(1200):  # by steps: the path of the last is longer than PATH_MAX
        os.mkdir("abcd", dir_fd=place)
        inner = os.open("abcd", os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = inner
    os.close(os.open("far.py", os.O_CREAT, dir_fd=place))
    os.close(place)
    write(root, {"abcd/" * 700 + "a.py": "1\n"})
    paths, left_out = listed(EVERYTHING, root)
    assert paths == ["abcd/" * 700 + "a.py"]
    assert left_out == {"folder that cannot be read (File name too long)": 1}
    assert "File name too long" in caplog.text


@LINUX
def test_1200_nested_folders_are_read(deep: Path) -> None:
    folder = deep
    for _ in range(1200):
        folder /= "d"
        folder.mkdir()
    write(folder, {"a.py": "1\n"})
    assert listed(EVERYTHING, deep)[0] == ["d/" * 1200 + "a.py"]


@LINUX
def test_a_folder_whose_name_is_not_unicode_gives_its_name_with_its_bytes(
    project: Path,
) -> None:
    folder = Path(os.fsdecode(os.fsencode(project) + b"/caf\xe9"))
    write(folder, {"a.py": "1\n"})
    (project / "link").symlink_to(folder)
    download(replace(EVERYTHING, path="link"), project / "data" / "raw", runtime())
    assert [file.repo for file, _ in read_raw(project / "data" / "raw")] == ["caf%E9"]


@pytest.mark.parametrize("path", ["", "  ", "a\0b", "~no_such_user_here", "x/" * 3000])
def test_what_can_be_no_folder_is_refused(path: str) -> None:
    with pytest.raises(UserError, match=r"source\.path is"):
        local_files(replace(EVERYTHING, path=path), Counter())


@pytest.mark.parametrize("path", ["", "a\0b"])
@pytest.mark.parametrize("preset", ["local", "files"])
def test_what_can_be_no_path_is_refused_with_the_other_values(preset: str, path: str) -> None:
    values = {**yaml.safe_load((PROJECT / f"conf/source/{preset}.yaml").read_text()), "path": path}
    if preset == "files":
        values = {"kind": "files", "license": None, "paths": [values["path"]]}
    with pytest.raises(UserError, match=r"source\.paths? is"):
        read_source(values)


@LINUX
def test_a_loop_of_links_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UserError, match="cannot be read"):
        listed(EVERYTHING, tmp_path / "loop")


@LINUX
@pytest.mark.parametrize(
    "name",
    ["-rf.py", "a\nb.py", " ", "\x1b[2J.py", "e\u0301.py", "*.py", "manifest.jsonl", "\u202e.py"],
)
def test_any_name_comes_through_to_the_archives(project: Path, name: str) -> None:
    write(project / "code", {name: "1\n", f"{name}.d/{name}": "2\n"})
    download(replace(EVERYTHING, path="code"), project / "data" / "raw", runtime())
    assert {file.path for file, _ in read_raw(project / "data" / "raw")} == {
        name,
        f"{name}.d/{name}",
    }


@LINUX
def test_a_sparse_file_a_pipe_and_the_names_of_one_file_are_each_counted(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": "1\n", "A.py": "2\n"})
    os.link(tmp_path / "a.py", tmp_path / "b.py")
    os.mkfifo(tmp_path / "pipe.py")
    with (tmp_path / "sparse.py").open("wb") as file:
        file.truncate(1 << 40)
    paths, left_out = listed(EVERYTHING, tmp_path)
    assert paths == ["A.py", "a.py", "b.py"]
    assert left_out == {"neither file nor folder": 1, "larger than max_file_bytes": 1}


def test_a_gitignore_of_powershell_is_read(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": "1\n", "key.py": "1\n", ".gitignore": "key.py\r\n".encode("utf-16")})
    assert listed(replace(EVERYTHING, suffixes=[".py"]), tmp_path)[0] == ["a.py"]


def test_a_file_changed_after_it_was_listed_is_read_again(project: Path) -> None:
    write(project, {"code/a.py": "1\n", "code/b.py": "1\n", "code/c.py": "1\n"})
    source = replace(EVERYTHING, path="code")
    left_out: Counter[str] = Counter()
    listed_files = local_files(source, left_out)
    write(project, {"code/a.py": "22\n", "code/b.py": b"\0"})
    (project / "code" / "c.py").unlink()
    read = [_read_again(source, left_out, file) for file in listed_files]
    assert [found and found[1] for found in read] == [b"22\n", None, None]
    assert read[0] is not None
    assert read[0][0].sha256 == hashlib.sha256(b"22\n").hexdigest()
    assert left_out == {"binary": 1, "unreadable (No such file or directory)": 1}


def test_a_file_that_never_stays_the_same_is_left_out_and_named(
    project: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write(project, {"code/a.py": "1\n"})
    source = replace(EVERYTHING, path="code")
    left_out: Counter[str] = Counter()
    (file,) = local_files(source, left_out)
    status = os.fstat

    def growing(descriptor: int) -> os.stat_result:
        with (project / "code" / "a.py").open("a") as appended:
            appended.write("1\n")
        return status(descriptor)

    monkeypatch.setattr(os, "fstat", growing)
    assert _read_again(source, left_out, file) is None
    assert left_out == {"changes while it is read": 1}
    assert "'a.py'" in caplog.text
