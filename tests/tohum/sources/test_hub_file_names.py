import pytest

from tohum.errors import UserError
from tohum.sources.hub_file_names import check_name, check_together


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("/etc/cron.d/x.parquet", "an absolute path"),
        ("//server/share/x", "an absolute path"),
        ("../x.parquet", "does not lead to one place"),
        ("data/../../x.parquet", "does not lead to one place"),
        ("data//x", "does not lead to one place"),
        ("data/./x", "does not lead to one place"),
        ("data/", "does not lead to one place"),
        ("", "does not lead to one place"),
        ("C:/x.parquet", "the letter of a drive"),
        ("c:x.parquet", "the letter of a drive"),
        ("data/D:x", "the letter of a drive"),
        ("..\\x", "a backslash"),
        ("C:\\x", "a backslash"),
        ("\\\\server\\share", "a backslash"),
        ("a\0b", "a control character"),
        ("a\nb", "a control character"),
        ("a\x7f", "a control character"),
        ("\ud800.parquet", "not Unicode text"),
        ("CON", "a device of Windows"),
        ("aux/x.parquet", "a device of Windows"),
        ("data/nul.tar.gz", "a device of Windows"),
        ("NUL .txt", "a device of Windows"),
        ("com1.parquet", "a device of Windows"),
        ("LPT³.csv", "a device of Windows"),
        ("conin$", "a device of Windows"),
        ("data/x.", "ends in a dot or a space"),
        ("data /x", "ends in a dot or a space"),
        ("...", "ends in a dot or a space"),
        ("x" * 256, "longer than 247 bytes"),
        ("ğ" * 128, "longer than 247 bytes"),
        ("x" * 248, "longer than 247 bytes"),
        ("/".join(["x" * 200] * 20), "longer than 2048 bytes"),
        ("manifest.jsonl", "our own record"),
        ("SOURCE.json", "our own record"),
        ("dropped.jsonl", "our own record"),
        ("rows/source.json", "our own record"),
    ],
)
def test_a_name_that_cannot_be_written_is_refused(path: str, problem: str) -> None:
    with pytest.raises(UserError, match=problem) as caught:
        check_name("a/b", path)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", ["a:b", "ab:c", "a|b", "what?.csv", "a*b", "<a>", 'a"b'])
def test_letters_that_windows_lacks_are_refused_there_alone(name: str) -> None:
    with pytest.raises(UserError):
        check_name("a/b", f"data/{name}", windows=True)
    if name != "a:b":
        check_name("a/b", f"data/{name}", windows=False)


@pytest.mark.parametrize(
    "path",
    [
        "data/train-00000-of-00001.parquet",
        "details_harness|arc:challenge|25.json",
        "veri/Işık ve 漢字.jsonl",
        ".gitattributes",
        "..data/x..y",
        "data/manifest.jsonl",
        "console/com10.csv",
        "auxiliary/connect.txt",
        "x" * 247,
        "a b/ c",
    ],
)
def test_other_names_are_taken(path: str) -> None:
    check_name("a/b", path, windows=False)
    check_together("a/b", [path])


@pytest.mark.parametrize(
    "paths",
    [
        ["Data.csv", "data.CSV"],
        ["data/İ.csv", "data/i\u0307.csv"],
        ["é.csv", "e\u0301.csv"],
        ["a", "a/b"],
        ["a/b/c", "A/b"],
        ["a", "a"],
        ["a.csv", "a.csv.part"],
        ["a.csv.partial", "a.csv"],
        ["a.csv", "a.csv.part/b"],
    ],
)
def test_two_names_of_one_file_are_refused(paths: list[str]) -> None:
    for order in (paths, paths[::-1]):
        with pytest.raises(UserError, match=r"source\.paths"):
            check_together("a/b", order)


def test_folders_that_differ_by_case_may_stand_side_by_side() -> None:
    check_together("a/b", ["C/x", "c/y", "C/z/x"])
