from pathlib import Path

import pytest

from tests.tohum.commands.report.runs import HERE, LOCK, THERE, git, stage, with_other, write
from tohum.commands.report.reproduction import reproduction
from tohum.errors import UserError


def verdicts(root: Path) -> dict[str, str]:
    """What the report says of each stage."""
    lines = reproduction(root).splitlines()
    assert lines[:2] == ["", "Reproduction, compared with the committed dvc.lock"]
    return {line.split()[0]: line.split(maxsplit=1)[1] for line in lines[2:]}


def test_the_same_bytes_are_named_so(root: Path) -> None:
    assert verdicts(root) == dict.fromkeys(LOCK["stages"], "the same bytes")


def test_the_same_bytes_from_another_input_are_the_same_bytes(root: Path) -> None:
    write(root, with_other("encode", "deps"))
    assert verdicts(root)["encode"] == "the same bytes"


def test_other_bytes_from_other_params_are_no_surprise(root: Path) -> None:
    lock = with_other("encode", "outs")
    lock["stages"]["encode"]["params"]["params.lock.yaml"]["encode"]["value"] = 2
    write(root, lock)
    assert verdicts(root) == {
        "compose": "the same bytes",
        "encode": "other bytes, from another configuration, code or input",
        "train": "the same bytes",
        "evaluate": "the same bytes",
    }


@pytest.mark.parametrize("name", ["encode", "train", "evaluate"])
def test_other_bytes_from_other_code_are_no_surprise(root: Path, name: str) -> None:
    lock = with_other(name, "outs")
    lock["stages"][name]["deps"][0]["md5"] = "4" * 32
    write(root, lock, THERE)
    assert verdicts(root)[name] == "other bytes, from another configuration, code or input"


def test_other_bytes_from_the_same_input_are_to_be_reported(root: Path) -> None:
    write(root, with_other("encode", "outs"), THERE)
    assert verdicts(root)["encode"] == "OTHER BYTES FROM THE SAME INPUT: please report this"


@pytest.mark.parametrize("name", ["train", "evaluate"])
def test_a_model_of_another_processor_is_expected_to_differ(root: Path, name: str) -> None:
    write(root, with_other(name, "outs"), THERE)
    expected = f"other bytes, as expected: committed from {HERE}, this is {THERE}"
    assert verdicts(root)[name] == expected


def test_a_model_of_the_same_kind_of_processor_may_still_differ(root: Path) -> None:
    write(root, with_other("train", "outs"))
    assert verdicts(root)["train"].startswith(f"other bytes on the same kind of processor ({HERE})")


def test_a_new_stage_is_not_in_the_committed_file(root: Path) -> None:
    write(root, {"stages": {**LOCK["stages"], "extra": stage("extra")}})
    assert verdicts(root)["extra"] == "not in the committed file"


def test_the_commit_counts_and_not_the_index(root: Path) -> None:
    write(root, with_other("encode", "outs"))
    git(root, "add", "--all")
    assert verdicts(root)["encode"] != "the same bytes"


def test_without_a_committed_lock_file_it_says_to_commit_it(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    write(tmp_path, LOCK)
    assert "no dvc.lock is committed yet. Commit the one here" in reproduction(tmp_path)


def test_a_zip_download_is_told_that_dvc_needs_git(tmp_path: Path) -> None:
    write(tmp_path, LOCK)
    told = reproduction(tmp_path)
    assert f"{tmp_path} is not a git repository" in told
    assert "a ZIP download has none. Use `git clone` instead, or" in told
    assert "git init && git add --all && git commit" in told


def test_without_a_run_it_says_to_run(root: Path) -> None:
    (root / "dvc.lock").unlink()
    with pytest.raises(UserError, match=r"dvc\.lock is missing\. Run `dvc repro` first"):
        reproduction(root)
