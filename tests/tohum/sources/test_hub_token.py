import codecs
import os
from pathlib import Path

import pytest
from huggingface_hub import constants

from tohum.errors import UserError
from tohum.sources.hub_token import NAMES, load_token

LINES = "# ışık\r\nOTHER=1\r\nHF_TOKEN=hf_abc\r\n"


@pytest.fixture
def env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A .env file that is not there yet, in an environment without a token."""
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "login"))
    for name in NAMES:
        monkeypatch.setenv(name, "")
    return tmp_path / ".env"


@pytest.mark.parametrize(
    "content",
    [
        LINES.encode(),
        codecs.BOM_UTF8 + LINES.encode(),
        LINES.encode("utf-16"),
        codecs.BOM_UTF16_BE + LINES.encode("utf-16-be"),
        LINES.encode("utf-16-le"),
        LINES.encode("utf-16-be"),
        b"OTHER=1\r\n" + "HF_TOKEN=hf_abc\r\n".encode("utf-16-le"),
        LINES.encode("cp1254"),
        b"export HF_TOKEN='hf_abc' # mine",
        b'HF_TOKEN = "hf_abc"   # "mine"\n',
        b"HF_TOKEN=hf_abc # mine",
        b"HF_TOKEN=' hf_abc '",
        b"this is no assignment\nHF_TOKEN=hf_abc\n",
        b"HF_TOKEN=hf_old\nHF_TOKEN=hf_abc\n",
    ],
)
def test_the_token_is_read_in_whatever_encoding_and_quotes(env_file: Path, content: bytes) -> None:
    env_file.write_bytes(content)
    load_token(env_file)
    assert os.environ["HF_TOKEN"] == "hf_abc"


@pytest.mark.parametrize("content", [b"", b"HF_TOKEN=", b"HF_TOKEN", b"\xff\xfe", b"\xff\xfe\0"])
def test_a_file_without_a_token_gives_none(env_file: Path, content: bytes) -> None:
    env_file.write_bytes(content)
    load_token(env_file)
    assert not os.environ["HF_TOKEN"]


def test_the_environment_goes_first(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env_file.write_bytes(b"HF_TOKEN=hf_abc")
    monkeypatch.setenv("HUGGING_FACE_HUB_TOKEN", "hf_other")
    load_token(env_file)
    assert not os.environ["HF_TOKEN"]


@pytest.mark.parametrize(
    "token", ["hf_ışık", "“hf_abc”", "hf_abc def", "hf_\u200babc", "hf_a\x1bb"]
)
def test_a_token_that_cannot_be_one_is_refused_and_not_shown(
    env_file: Path, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(UserError, match="has the character U\\+") as caught:
        load_token(env_file)
    assert token not in str(caught.value)


def test_a_login_file_that_is_not_text_is_named(env_file: Path) -> None:
    (env_file.parent / "login").write_bytes("hf_abc".encode("utf-16"))
    with pytest.raises(UserError, match="`hf auth login` can't be read"):
        load_token(env_file)
