"""What `tohum estimate` is asked for."""

from pathlib import Path

import pytest

from tests.tiny import PROJECT
from tohum.commands.estimate.request import BANDWIDTH, read_request, size_given
from tohum.errors import UserError


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("25GB", 25_000_000_000),
        ("1.5 MB", 1_500_000),
        ("800k", 800_000),
        ("7", 7),
        ("2TB", 2 * 10**12),
    ],
)
def test_a_size_is_read(text: str, size: int) -> None:
    assert size_given(text) == size


@pytest.mark.parametrize("text", ["", "0", "0GB", "-3GB", "25 gigabytes", "GB", "1,5GB", "nan"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"expected a size above 0, such as 800MB or 25GB"):
        size_given(text)


@pytest.fixture(autouse=True)
def in_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)


def test_its_own_keys_are_told_from_overrides() -> None:
    request = read_request(["text=2GB", "tokenizer.vocab_size=900", "bandwidth=8"])
    assert request.text == 2_000_000_000
    assert request.bandwidth == 1_000_000
    assert request.values["tokenizer"]["vocab_size"] == 900
    assert "text=2GB" not in request.overrides


def test_nothing_asked_is_the_configuration_as_it_is() -> None:
    request = read_request([])
    assert request.text is None
    assert request.bandwidth == BANDWIDTH * 1e6 / 8
    assert request.values["source"]["kind"] == "packages"


@pytest.mark.parametrize("value", ["fast", "0", "-1", "nan", "inf"])
def test_a_bandwidth_is_a_number_above_0(value: str) -> None:
    with pytest.raises(UserError, match="expected megabits a second"):
        read_request([f"bandwidth={value}"])


def test_what_compose_refuses_is_refused_before_anything_is_measured() -> None:
    with pytest.raises(UserError, match="vocab_siz"):
        read_request(["tokenizer.vocab_siz=900"])
    assert Path("params.yaml").is_file()
