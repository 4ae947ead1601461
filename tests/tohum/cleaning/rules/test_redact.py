import ast
import base64
import random
import string
import sysconfig
from collections.abc import Collection
from pathlib import Path

import pytest

from tohum.cleaning.rules.redact import REDACTIONS, redactions
from tohum.cleaning.rules.redact import redact as redact_with

KINDS = tuple(REDACTIONS)

LETTERS = string.ascii_letters + string.digits


def redact(text: str, kinds: Collection[str]) -> tuple[str, dict[str, int]]:
    return redact_with(text, redactions(kinds))


def random_text(length: int, alphabet: str = LETTERS) -> str:
    return "".join(random.Random(length).choices(alphabet, k=length))


# Put together here, so that no scanner takes this file for one with secrets.
SECRETS = {
    "AWS": "AKIA" + random_text(16, "ABCDEFGHIJKLMNOP234567"),
    "GitHub": "ghp" + "_" + random_text(36),
    "GitHub, fine-grained": "github" + "_pat_" + random_text(22) + "_" + random_text(59),
    "GitLab": "glpat" + "-" + random_text(20),
    "Slack": "xoxb" + "-123456789012-" + random_text(24),
    "Google": "AIza" + random_text(35),
    "Stripe": "sk_" + "live_" + random_text(24),
    "OpenAI": "sk-" + random_text(20) + "T3Blbk" + "FJ" + random_text(20),
    "Hugging Face": "hf" + "_" + random_text(34, string.ascii_letters),
    "npm": "npm" + "_" + random_text(36),
    "Google, access": "ya" + "29." + random_text(120),
    "JWT": "eyJ" + random_text(30) + ".eyJ" + random_text(60) + "." + random_text(43),
}


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS.keys())
def test_a_secret_of_a_known_format_goes(secret: str) -> None:
    text = f'client = Client("{secret}")  # Ünlü\n'
    assert redact(text, KINDS) == ('client = Client("<KEY>")  # Ünlü\n', {"secrets": 1})
    assert redact(secret, KINDS) == ("<KEY>", {"secrets": 1})
    assert redact(f"a{secret}", KINDS)[1] == {}


def test_a_refresh_token_goes_where_it_begins_a_value() -> None:
    token = "1/" + "/0" + random_text(80)
    assert redact(f'{{"refresh_token": "{token}"}}', KINDS)[0] == '{"refresh_token": "<KEY>"}'
    assert redact(f"half = 1{token}", KINDS)[1] == {}


def test_of_secrets_that_begin_together_the_longest_goes() -> None:
    value = SECRETS["AWS"] + "!more" + random_text(20)
    assert redact(f"secret = '{value}'", KINDS) == ("secret = '<KEY>'", {"secrets": 1})


def test_the_body_of_a_private_key_goes() -> None:
    begin, end = "-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----"
    text = f"KEY = '''{begin}\n{random_text(300)}\n{end}'''\n"
    assert redact(text, ["secrets"])[0] == f"KEY = '''{begin}<KEY>{end}'''\n"
    cut_off = random_text(64) + "\n" + random_text(64)
    assert redact(f"{begin}\n{cut_off}\n\nThe rest of the story.", KINDS) == (
        f"{begin}<KEY>\n\nThe rest of the story.",
        {"secrets": 1},
    )
    assert redact(f"if {begin!r} in text and {end!r} in text: pass", KINDS)[1] == {}


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\\n", "\n    "])
def test_a_short_private_key_goes_too(newline: str) -> None:
    """An Ed25519 key is one line (RFC 8410): a prefix of 16 bytes, and 32 random ones."""
    begin, end = "-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----"
    prefix = bytes.fromhex("302e020100300506032b657004220420")
    for seed in range(200):
        body = base64.b64encode(prefix + random.Random(seed).randbytes(32)).decode()
        text = f"{begin}{newline}{body}{newline}{end}"
        assert body not in redact(text, ["secrets"])[0], seed


@pytest.mark.parametrize(
    "body", ["...", "your private key goes here", "MIIEvQ" + "x" * 60, "A" * 64]
)
def test_the_template_of_a_private_key_stays(body: str) -> None:
    text = f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"
    assert redact(text, ["secrets"]) == (text, {})


@pytest.mark.parametrize(
    "line",
    [
        'password = "%s"',
        '"db_password": "%s",',
        "API_KEY: '%s'",
        "const clientSecret = '%s';",
        'secret_key => "%s"',
        "İ = 1; MY_AUTH_TOKEN = b'%s'",
    ],
)
def test_a_random_value_of_a_password_goes(line: str) -> None:
    assert redact(line % "q8ZrT1vLx0PwK4mN", KINDS) == (line % "<KEY>", {"secrets": 1})


@pytest.mark.parametrize(
    "text",
    [
        'password = "correct horse battery staple"',
        'password = "your-password-123"',
        'password = getpass("Password for the server: ")',
        'api_key = os.environ["API_KEY_OF_SERVICE_1"]',
        "AKIA" + "IOSFODNN7EXAMPLE",
        "hf_" + "x" * 34,
        "@decorator\ndef f(a): return a @ b.T + q@k.mT",
        "git clone git@github.com:user/repo.git",
        "ssh://me@host.org/repo and https://user@host.com/path",
        "mail to user@example.com, a@b.example.org or me@host.test",
        "npm install lodash@4.17.21 @types/node logo@2x.png",
        "127.0.0.1 10.0.0.1 192.168.1.20 172.16.5.4 192.0.2.77 255.255.255.0 0.0.0.0",
        "version 81.0.40.44, chrome==90.40.50.60, 2.5.29.15, 1.3.101.110, 999.1.1.300",
        "std::vector 12:34:56:78:9a:bc fe80::1 2001:db8::8a2e:370:7334 ::1 2000::a",
    ],
)
def test_examples_operators_and_versions_stay(text: str) -> None:
    assert redact(text, KINDS) == (text, {})


def test_addresses_of_people_and_machines_go_and_are_counted() -> None:
    text = "# Ayşe <ayse.k+x@firma.com.tr>, bob@mail.org: 93.184.216.34, 2a00:1450:4001:80b::200e."
    redacted, counts = redact(text, KINDS)
    assert redacted == "# Ayşe <<EMAIL>>, <EMAIL>: <IP_ADDRESS>, <IP_ADDRESS>."
    assert counts == {"emails": 2, "ip_addresses": 2}


def test_only_the_kinds_asked_for_go() -> None:
    text = "bob@mail.org 93.184.216.34"
    assert redact(text, []) == (text, {})
    assert redact(text, ["emails"])[0] == "<EMAIL> 93.184.216.34"


def test_what_is_redacted_stays_so() -> None:
    text = f"bob@mail.org 93.184.216.34 token = '{SECRETS['GitHub']}'"
    once, _ = redact(text, KINDS)
    assert redact(once, KINDS) == (once, {})


def test_python_stays_python_and_few_files_change() -> None:
    folder = Path(sysconfig.get_path("stdlib"))
    paths = [*sorted(folder.glob("*.py")), *sorted(folder.glob("email/*.py"))]
    changed = 0
    for path in paths:
        text = path.read_text(encoding="utf-8", errors="replace")
        redacted, counts = redact(text, KINDS)
        assert (redacted != text) == bool(counts)
        assert "secrets" not in counts, path
        if counts:
            changed += 1
            ast.parse(redacted)
    assert changed < 0.3 * len(paths)
