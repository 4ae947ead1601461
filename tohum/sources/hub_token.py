"""The user's token for the Hub, from the environment, .env, or the file of `hf auth login`."""

import codecs
import io
import os
from pathlib import Path

from dotenv import dotenv_values
from huggingface_hub import get_token

from tohum.errors import UserError

NAMES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
REMEDY = (
    "Copy it again from https://huggingface.co/settings/tokens, without quotes or spaces around it."
)


def load_token(env_file: Path) -> None:
    """Takes HF_TOKEN from a .env file if the environment has none, and checks the token in use.

    Raises:
        UserError: the file can't be read, or the token can't be one. The message does not show it.
    """
    if not any(os.environ.get(name, "").strip() for name in NAMES) and env_file.is_file():
        token = dotenv_values(stream=io.StringIO(_text(env_file)), interpolate=False).get(NAMES[0])
        if token:
            os.environ[NAMES[0]] = token.strip()
    try:
        token = get_token() or ""
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"the token of `hf auth login` can't be read ({type(error).__name__}): log in again, "
            "or set HF_TOKEN."
        ) from None
    wrong = [letter for letter in token if not "!" <= letter <= "~"]
    if wrong:
        place = token.index(wrong[0]) + 1
        raise UserError(
            f"your Hugging Face token (HF_TOKEN) has the character U+{ord(wrong[0]):04X} at place "
            f"{place}; a token has only ASCII letters, digits and underscores. {REMEDY}"
        )


def _text(path: Path) -> str:
    """Returns a .env file's text in whatever encoding a shell has written it.

    PowerShell's `>` writes UTF-16, and its `>>` UTF-16 after the ASCII that was there.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}.") from None
    if content.startswith(UTF16_MARKS) and len(content) % 2 == 0:
        text = content.decode("utf-16", errors="replace")
    else:
        text = content.decode("utf-8-sig", errors="replace")
    return text.replace("\0", "")
