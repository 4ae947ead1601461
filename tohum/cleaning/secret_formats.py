"""The formats of known keys and tokens, for redacting a corpus and for keeping them out of git.

Their issuers document these formats, most of them for secret scanning:

- private keys: RFC 7468 (PEM), RFC 4880 section 6.2 (OpenPGP)
- AWS access key ids: AWS IAM user guide, "IAM identifiers", unique ids
- GitHub: "Behind GitHub's new authentication token formats" (2021); fine-grained: github_pat_
- GitLab: docs.gitlab.com, "Token overview", prefixes; Slack: api.slack.com, "Token types"
- Google API keys, OAuth client secrets, refresh and access tokens: cloud.google.com, "API keys" and
  "Using OAuth 2.0"; Stripe: "API keys"
- OpenAI, Anthropic: prefixes of their consoles' keys; Hugging Face: "User access tokens"
- npm, PyPI: their token formats' announcements; JWT: RFC 7519 section 3, RFC 7515 section 7.1
"""

import re
from collections.abc import Collection, Iterator
from typing import NamedTuple

NO_WORD = r"(?![A-Za-z0-9_])"


class Format(NamedTuple):
    """A kind of secret.

    `needle` is a string that must be in the text for `pattern` to be tried. The pattern's group
    `key` is the secret, unless it begins inside a word. A pattern that begins with its needle is
    searched for as fast as the needle.
    """

    needle: str
    kind: str
    pattern: re.Pattern[str]


class Secret(NamedTuple):
    """A secret's place in a text and its kind; never the secret itself."""

    kind: str
    begin: int
    end: int


PRIVATE_KEY = "PRIVATE KEY"
FORMATS = tuple(
    Format(needle, kind, re.compile(pattern))
    for needle, kind, pattern in (
        (
            PRIVATE_KEY,
            "a private key",
            r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
            r"(?P<key>[A-Za-z0-9+/=\s\\\"',:.()-]{64,20000}?"
            r"(?=-----END (?:[A-Z0-9]+ ){0,3}PRIVATE KEY)"
            # Cut off before its end: lines of at least 60 characters, as in PEM.
            r"|(?:(?:\s|\\[nr]){0,8}[A-Za-z0-9+/=]{60,})+)",
        ),
        ("AKIA", "an AWS access key", rf"(?P<key>AKIA[A-Z2-7]{{16}}){NO_WORD}"),
        ("ASIA", "an AWS access key", rf"(?P<key>ASIA[A-Z2-7]{{16}}){NO_WORD}"),
        *(
            (f"gh{kind}_", "a GitHub token", rf"(?P<key>gh{kind}_[A-Za-z0-9]{{36,255}}){NO_WORD}")
            for kind in "pousr"
        ),
        (
            "github_pat_",
            "a GitHub token",
            rf"(?P<key>github_pat_[A-Za-z0-9]{{22}}_[A-Za-z0-9]{{59}}){NO_WORD}",
        ),
        ("glpat-", "a GitLab token", rf"(?P<key>glpat-[A-Za-z0-9_-]{{20,64}}){NO_WORD}"),
        ("xox", "a Slack token", r"(?P<key>xox[abeoprs]-\d[A-Za-z0-9-]{20,250})"),
        (
            "hooks.slack.com",
            "a Slack webhook",
            r"hooks\.slack\.com/services/(?P<key>T\w{8,12}/B\w{8,12}/\w{24})",
        ),
        ("AIza", "a Google API key", rf"(?P<key>AIza[A-Za-z0-9_-]{{35}}){NO_WORD}"),
        (
            "GOCSPX-",
            "an OAuth client's secret",
            rf"(?P<key>GOCSPX-[A-Za-z0-9_-]{{28}}){NO_WORD}",
        ),
        ("1//0", "an OAuth refresh token", r"(?<=[\"'=\s])(?P<key>1//0[A-Za-z0-9_-]{30,512})"),
        ("ya29.", "an OAuth access token", r"(?P<key>ya29\.[A-Za-z0-9_-]{30,2048})"),
        ("k_live_", "a Stripe key", rf"(?P<key>[rs]k_live_[A-Za-z0-9]{{16,247}}){NO_WORD}"),
        ("k_test_", "a Stripe key", rf"(?P<key>[rs]k_test_[A-Za-z0-9]{{16,247}}){NO_WORD}"),
        (
            "T3BlbkFJ",
            "an OpenAI key",
            r"(?P<key>sk-[A-Za-z0-9_-]{20,120}T3BlbkFJ[A-Za-z0-9_-]{20,120})",
        ),
        ("sk-ant-", "an Anthropic key", r"(?P<key>sk-ant-[a-z0-9]{3,8}-[A-Za-z0-9_-]{80,120})"),
        ("hf_", "a Hugging Face token", rf"(?P<key>hf_[A-Za-z]{{34}}){NO_WORD}"),
        ("npm_", "an npm token", rf"(?P<key>npm_[A-Za-z0-9]{{36}}){NO_WORD}"),
        (
            "pypi-AgEIcHlwaS5vcmc",
            "a PyPI token",
            r"(?P<key>pypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,250})",
        ),
        (
            "eyJ",
            "a JSON web token",
            r"(?P<key>eyJ[\w-]{10,2000}\.eyJ[\w-]{10,4000}\.[\w-]{20,1000})",
        ),
    )
)
NEEDLES = tuple(dict.fromkeys(form.needle for form in FORMATS))
LEAST_DIFFERENT = 8  # characters of a key after its needle; "xxxx" in an example has fewer
# Of a private key's body; a template or "..." has fewer. A short key is one line of base64, in
# which 64 characters have 39 different ones on average, and 28 or more in all but one in a million.
PEM_LEAST_DIFFERENT, BASE64_LEAST_DIFFERENT = 40, 28
BASE64_LINES = re.compile(r"(?:[A-Za-z0-9+/=]|\s*\n\s*|\\[nr])*")


def find_secrets(text: str, needles: Collection[str] = NEEDLES) -> Iterator[Secret]:
    """Yields the secrets of known formats in a text, format by format.

    Args:
        text: any text. needles: the needles that can be in the text, if that is known already.
    """
    for needle, kind, pattern in FORMATS:
        if needle in needles and needle in text:
            for found in pattern.finditer(text):
                begin, end = found.span("key")
                if _begins_word(text, begin) and _is_random(found["key"], needle):
                    yield Secret(kind, begin, end)


def _begins_word(text: str, start: int) -> bool:
    return not start or not (text[start - 1].isalnum() or text[start - 1] == "_")


def _is_random(key: str, needle: str) -> bool:
    """Returns whether a match of a known format is a real key, not a pattern or an example."""
    if needle == PRIVATE_KEY:
        is_base64 = BASE64_LINES.fullmatch(key.strip())
        least = BASE64_LEAST_DIFFERENT if is_base64 else PEM_LEAST_DIFFERENT
        return len(set(key)) >= least
    different = len(set(key.removeprefix(needle)))
    return "EXAMPLE" not in key and "xxx" not in key.lower() and different >= LEAST_DIFFERENT
