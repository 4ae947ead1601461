import pytest

from stages.compose.checking import check
from stages.compose.composition import compose
from tests.tiny import PROJECT
from tohum.commands.inspect.datasets import is_dataset
from tohum.errors import UserError
from tohum.sources.hub import HubSource
from tohum.sources.hub_address import HubAddress, read_address

PAGE = "https://huggingface.co/datasets"


@pytest.mark.parametrize(
    ("text", "revision", "path"),
    [
        ("a/b", "", ""),
        (" a/b/ ", "", ""),
        ("datasets/a/b", "", ""),
        ("a/b@v1.0", "v1.0", ""),
        ("a/b/data/tr@refs/pr/1", "refs/pr/1", "data/tr"),
        (f"{PAGE}/a/b", "", ""),
        (f"{PAGE}/a/b/", "", ""),
        (f"{PAGE}/a/b/tree/main", "main", ""),
        (f"{PAGE}/a/b/tree/main/", "main", ""),
        (f"{PAGE}/a/b/tree/main/data/tr", "main", "data/tr"),
        (f"{PAGE}/a/b/tree/refs%2Fconvert%2Fparquet", "refs/convert/parquet", ""),
        (f"{PAGE}/a/b/tree/refs/convert/parquet/x", "refs/convert/parquet", "x"),
        (f"{PAGE}/a/b/blob/main/a%20b.csv?download=true#L1", "main", "a b.csv"),
        (f"{PAGE}/a/b/resolve/v1/x.parquet", "v1", "x.parquet"),
        (f"{PAGE}/a/b/commit/{'0' * 40}", "0" * 40, ""),
        (f"{PAGE}/a/b/viewer/default/train?row=3", "", ""),
        (f"{PAGE}/a/b/discussions/1", "", ""),
        (f"{PAGE}/a/b.git", "", ""),
        ("http://hf.co/datasets/a/b", "", ""),
        ("HTTPS://HuggingFace.co/datasets/a/b", "", ""),
        ("huggingface.co/datasets/a/b", "", ""),
        ("https://me:hf_secret@huggingface.co/datasets/a/b", "", ""),
        ("git@hf.co:datasets/a/b.git", "", ""),
        ("hf://datasets/a/b", "", ""),
        ("hf://datasets/a/b/", "", ""),
        ("hf://datasets/a/b/data/x.parquet", "", "data/x.parquet"),
        ("hf://datasets/a/b@v1/data", "v1", "data"),
        ("hf://datasets/a/b@refs%2Fpr%2F1/data", "refs/pr/1", "data"),
    ],
)
def test_every_address_of_a_dataset_is_read(text: str, revision: str, path: str) -> None:
    assert read_address(text, "key") == HubAddress("a/b", revision, path)


def test_a_dataset_without_an_owner_and_a_mirror_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_address("squad", "key").repo_id == "squad"
    assert read_address(f"{PAGE}/squad/tree/main", "key") == HubAddress("squad", "main")
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.example:8443")
    assert read_address("https://hub.example:8443/datasets/a/b", "key").repo_id == "a/b"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a b",
        "a//b",
        "../b",
        "a/b--c",
        "a/b..c",
        "a/.b",
        "a/" + "b" * 96,
        "a/ç",
        "https://huggingface.co/a/b",
        "https://huggingface.co/spaces/a/b",
        "https://huggingface.co/datasets",
        "https://example.com/datasets/a/b",
        "https://[::1/datasets/a/b",
        "https://huggingface.co:99999/datasets/a/b",
        "ftp://huggingface.co/datasets/a/b",
        "hf://a/b",
        "hf://spaces/a/b",
        "hf://",
        "https://me:hf_secret@example.com/a/b",
    ],
)
def test_what_names_no_dataset_is_refused_without_its_password(text: str) -> None:
    with pytest.raises(UserError, match="names no dataset of the Hub") as caught:
        read_address(text, "key")
    assert "secret" not in str(caught.value)


def source(*overrides: str) -> HubSource:
    found = check(compose(PROJECT / "conf", ["source=hub", *overrides])).source
    assert isinstance(found, HubSource)
    return found


def test_a_source_takes_an_address_with_its_revision() -> None:
    found = source(f"source.repo_id={PAGE}/a/b/tree/v1")
    assert (found.repo_id, found.revision) == ("a/b", "v1")
    assert source("source.repo_id=a/b").revision == "main"


def test_an_address_that_says_more_than_a_source_takes_is_refused() -> None:
    with pytest.raises(UserError, match=r"names 'data/tr' in the dataset.*source\.repo_id=a/b"):
        source(f"source.repo_id={PAGE}/a/b/tree/main/data/tr")
    with pytest.raises(UserError, match="names the revision 'v1'"):
        source(f"source.repo_id={PAGE}/a/b/tree/v1", "source.revision=v2")


def test_inspect_knows_addresses_from_paths() -> None:
    assert all(map(is_dataset, ["a/b", "a/b/data@v1", f"{PAGE}/a/b", "hf://datasets/a/b"]))
    assert is_dataset("https://example.com/x.csv"), "which is refused with a reason"
    assert not is_dataset("a/b.csv")
