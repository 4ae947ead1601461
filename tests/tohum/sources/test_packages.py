import base64
import hashlib
from collections import Counter
from pathlib import Path

import pytest

from tohum.errors import UserError
from tohum.sources.offered_files import OfferedFile, verified
from tohum.sources.packages import PackagesSource, package_files

NAME, VERSION = "tiny-sample", "1.2"
PIN = f"{NAME}=={VERSION}"
FILES = {
    "tiny_sample/__init__.py": b"",
    "tiny_sample/text.py": b"print('text')\n",
    "tiny_sample/_vendor/copy.py": b"print('copy')\n",
    "tiny_sample/data.json": b"{}\n",
}
INSTALL = "python -m pip install -c constraints.txt -e ."
REINSTALL = f"python -m pip install --force-reinstall --no-deps {PIN}"


class Site:
    """A folder on the import path with one installed package."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.info = folder / "tiny_sample-1.2.dist-info"
        self.info.mkdir()
        for path, content in FILES.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
        self.describe()
        self.tag("py3-none-any")
        self.record([record_line(path, content) for path, content in FILES.items()])

    def describe(self, *lines: str) -> None:
        head = ["Metadata-Version: 2.4", f"Name: {NAME}", f"Version: {VERSION}"]
        (self.info / "METADATA").write_text("\n".join([*head, *lines]) + "\n")

    def tag(self, *tags: str) -> None:
        lines = ["Wheel-Version: 1.0", "Root-Is-Purelib: true", *(f"Tag: {tag}" for tag in tags)]
        (self.info / "WHEEL").write_text("\n".join(lines) + "\n")

    def record(self, lines: list[str]) -> None:
        own = f"{self.info.name}/RECORD,,"
        (self.info / "RECORD").write_text("\n".join([*lines, own]) + "\n")


def record_line(path: str, content: bytes, algorithm: str = "sha256") -> str:
    digest = base64.urlsafe_b64encode(hashlib.new(algorithm, content).digest()).decode()
    return f"{path},{algorithm}={digest.rstrip('=')},{len(content)}"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.syspath_prepend(str(tmp_path))
    return Site(tmp_path)


def listed(
    left_out: Counter[str] | None = None,
    pin: str = PIN,
    suffixes: tuple[str, ...] = (".py",),
    exclude: tuple[str, ...] = (),
) -> dict[str, OfferedFile]:
    source = PackagesSource("packages", [pin], list(suffixes), list(exclude), 10**9)
    found = package_files(source, Counter() if left_out is None else left_out)
    return {file.path: file for file in found}


def refusal(pin: str = PIN) -> str:
    with pytest.raises(UserError) as caught:
        listed(pin=pin)
    return str(caught.value)


def test_the_files_with_the_suffix_are_listed_with_their_hash_and_size(site: Site) -> None:
    found = listed()
    assert set(found) == {path for path in FILES if path.endswith(".py")}
    for path, file in found.items():
        assert file.sha256 == hashlib.sha256(FILES[path]).hexdigest()
        assert file.size == len(FILES[path])
        assert file.location == site.folder / path


def test_a_file_comes_with_its_provenance(site: Site) -> None:
    site.describe("License-Expression: MIT OR Apache-2.0")
    file, content = verified(listed()["tiny_sample/text.py"])
    assert content == FILES["tiny_sample/text.py"]
    assert file.id == hashlib.sha1(content).hexdigest()
    assert (file.source, file.repo, file.license) == ("packages", PIN, "MIT OR Apache-2.0")


def test_other_suffixes_can_be_asked_for(site: Site) -> None:
    assert set(listed(suffixes=(".json",))) == {"tiny_sample/data.json"}


def test_excluded_files_are_left_out_and_counted(site: Site) -> None:
    left_out: Counter[str] = Counter()
    found = listed(left_out, exclude=("_vendor/", "tiny_sample/__init__.py"))
    assert set(found) == {"tiny_sample/text.py"}
    assert left_out == {"excluded by pattern": 2}


def test_a_changed_file_is_refused_with_the_command_that_restores_it(site: Site) -> None:
    (site.folder / "tiny_sample/text.py").write_bytes(b"print('tampered')\n")
    with pytest.raises(UserError) as caught:
        verified(listed()["tiny_sample/text.py"])
    assert "tiny_sample/text.py has the SHA-256 " in str(caught.value)
    assert hashlib.sha256(FILES["tiny_sample/text.py"]).hexdigest() in str(caught.value)
    assert REINSTALL in str(caught.value)


def test_a_missing_file_is_refused_with_the_command_that_restores_it(site: Site) -> None:
    (site.folder / "tiny_sample/text.py").unlink()
    with pytest.raises(UserError) as caught:
        verified(listed()["tiny_sample/text.py"])
    assert "tiny_sample/text.py cannot be read" in str(caught.value)
    assert REINSTALL in str(caught.value)


def test_another_version_is_refused_with_both_versions(site: Site) -> None:
    told = refusal(f"{NAME}==1.3")
    assert f"pins {NAME}==1.3, but {NAME} 1.2 is installed" in told
    assert INSTALL in told


def test_a_package_that_is_not_installed_is_refused(site: Site) -> None:
    assert refusal("no-such-package-here==1.0") == (
        "source.packages: 'no-such-package-here' is not installed. Install the pinned packages: "
        + INSTALL
    )


@pytest.mark.parametrize("pin", [NAME, f"{NAME}>=1.2", f"{NAME}=1.2"])
def test_a_name_without_a_pinned_version_is_refused(site: Site, pin: str) -> None:
    assert refusal(pin) == (
        f"source.packages has '{pin}', expected name==version, as in constraints.txt."
    )


@pytest.mark.parametrize(
    ("tags", "told"),
    [
        (["cp311-cp311-manylinux_2_17_x86_64"], "tags: cp311-cp311-manylinux_2_17_x86_64"),
        (["py3-none-any", "py3-none-linux_x86_64"], "py3-none-linux_x86_64"),
        ([], "tags: none"),
    ],
)
def test_a_wheel_of_one_platform_is_refused(site: Site, tags: list[str], told: str) -> None:
    site.tag(*tags)
    assert f"{PIN} is not a pure-Python wheel" in refusal()
    assert told in refusal()
    assert "Take it off the list" in refusal()


def test_a_wheel_for_both_pythons_is_pure(site: Site) -> None:
    site.tag("py2-none-any", "py3-none-any")
    assert len(listed()) == 3


def test_a_package_without_a_record_is_refused(site: Site) -> None:
    (site.info / "RECORD").unlink()
    assert refusal() == (
        f"{PIN} was installed without a RECORD, so its files can't be verified. "
        "Reinstall it with pip."
    )


def test_a_weak_hash_is_refused(site: Site) -> None:
    site.record([record_line("tiny_sample/text.py", b"", algorithm="md5")])
    assert "RECORD gives tiny_sample/text.py a md5 hash, expected sha256" in refusal()
    assert REINSTALL in refusal()


def test_files_without_a_hash_or_outside_the_package_are_not_listed(site: Site) -> None:
    site.record(
        [
            "tiny_sample/__pycache__/text.cpython-311.py,,",
            record_line("../../bin/run.py", b"run"),
            record_line("tiny_sample/text.py", FILES["tiny_sample/text.py"]),
        ]
    )
    assert set(listed()) == {"tiny_sample/text.py"}


def test_a_name_with_a_comma_is_read(site: Site) -> None:
    site.record(['"tiny_sample/a,b.py"' + record_line("", b"x")])
    assert set(listed()) == {"tiny_sample/a,b.py"}


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], None),
        (["License: MIT"], "MIT"),
        (["License: "], None),
        (["License: BSD 3-Clause", "        Redistribution and use"], "BSD 3-Clause"),
        (["Classifier: License :: OSI Approved :: MIT License", "License: long"], "MIT License"),
        (
            ["Classifier: License :: OSI Approved :: BSD License", "License: BSD-3-Clause"],
            "BSD-3-Clause",
        ),
        (
            [
                "Classifier: Topic :: Text",
                "Classifier: License :: OSI Approved :: MIT License",
                "Classifier: License :: OSI Approved :: BSD License",
            ],
            "MIT License; BSD License",
        ),
        (
            ["License-Expression: ISC", "Classifier: License :: OSI Approved :: MIT License"],
            "ISC",
        ),
    ],
)
def test_the_licence_is_spdx_else_classifiers_else_free_text(
    site: Site, lines: list[str], expected: str | None
) -> None:
    site.describe(*lines)
    assert listed()["tiny_sample/text.py"].license == expected
