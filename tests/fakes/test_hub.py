"""The fake Hub as unmodified clients see it: huggingface_hub in a process of its own, requests."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.fakes.access import GOOD_TOKEN, INVALID_TOKEN, UNAUTHORISED_TOKEN
from tests.fakes.hub import COMMIT, FakeHub

REPO = "bigcode/the-stack-v2"
SHARD = "data/C-Sharp/train-00000-of-00001.parquet"
FILES = {
    "README.md": b"# The Stack\n",
    "data/C++/train-00000-of-00001.parquet": b"c++" * 1000,
    SHARD: bytes(range(256)) * 100,
}

CLIENT = """
import json, sys
from pathlib import Path
from huggingface_hub import HfApi, hf_hub_download

def outcome(action):
    try:
        return action()
    except Exception as error:
        return type(error).__name__

api, repo, shard = HfApi(), "bigcode/the-stack-v2", sys.argv[1]
def tree(**arguments):
    return [e.path for e in api.list_repo_tree(repo, repo_type="dataset", **arguments)]
def points():
    return [[e.path, e.size, e.lfs.sha256] for e in api.get_paths_info(
        repo, [shard, "absent"], repo_type="dataset")]
def download(path, **arguments):
    return Path(hf_hub_download(repo, path, repo_type="dataset", **arguments)).read_bytes().hex()
asked = {
    "sha": lambda: api.repo_info(repo, repo_type="dataset").sha,
    "tree": lambda: tree(recursive=True),
    "folder": lambda: tree(path_in_repo="data/C-Sharp"),
    "points": points,
    "access": lambda: api.auth_check(repo, repo_type="dataset"),
    "shard": lambda: download(shard),
    "readme": lambda: download("README.md"),
    "no repository": lambda: api.auth_check("bigcode/absent", repo_type="dataset"),
    "no revision": lambda: tree(revision="absent"),
    "no file": lambda: download("absent.parquet"),
}
print(json.dumps({name: outcome(action) for name, action in asked.items()}))
"""


def ask_hub(hub: FakeHub, home: Path, token: str = "") -> dict[str, Any]:
    """What huggingface_hub gets from each call, or the name of the error that it raises."""
    variables = {
        "HF_ENDPOINT": hub.endpoint,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        **({"HF_TOKEN": token} if token else {}),
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    done = subprocess.run(
        [sys.executable, "-c", CLIENT, SHARD],
        env={**inherited, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    answers = json.loads(done.stdout)
    assert isinstance(answers, dict)
    return answers


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub(FILES, page=2) as hub:
        yield hub


def test_hub_client_lists_pages_and_downloads_through_the_cdn(hub: FakeHub, tmp_path: Path) -> None:
    answers = ask_hub(hub, tmp_path)
    assert answers == {
        "sha": COMMIT,
        "tree": sorted([*FILES, "data", "data/C++", "data/C-Sharp"]),
        "folder": [SHARD],
        "points": [[SHARD, len(FILES[SHARD]), hashlib.sha256(FILES[SHARD]).hexdigest()]],
        "access": None,
        "shard": FILES[SHARD].hex(),
        "readme": FILES["README.md"].hex(),
        "no repository": "RepositoryNotFoundError",
        "no revision": "RevisionNotFoundError",
        "no file": "RemoteEntryNotFoundError",
    }
    assert [request.server for request in hub.requests].count("cdn") == 1


@pytest.mark.parametrize(
    ("token", "listed", "read"),
    [
        ("", COMMIT, "GatedRepoError"),
        (UNAUTHORISED_TOKEN, COMMIT, "GatedRepoError"),
        (INVALID_TOKEN, "HfHubHTTPError", "HfHubHTTPError"),
        (GOOD_TOKEN, COMMIT, FILES[SHARD].hex()),
    ],
)
def test_gate_opens_files_by_token_and_listings_to_all(
    hub: FakeHub, tmp_path: Path, token: str, listed: str, read: str
) -> None:
    hub.gated = True
    answers = ask_hub(hub, tmp_path, token)
    assert (answers["sha"], answers["shard"]) == (listed, read)
    assert answers["access"] == (None if token == GOOD_TOKEN else read)


def shard_url(hub: FakeHub, revision: str = "main") -> str:
    return f"{hub.endpoint}/datasets/{REPO}/resolve/{revision}/{SHARD}"


def test_moved_branch_leaves_the_old_commit(hub: FakeHub) -> None:
    hub.move_branch("b" * 40, {SHARD: b"new"})
    assert requests.get(shard_url(hub), timeout=5).content == b"new"
    assert requests.get(shard_url(hub, COMMIT), timeout=5).content == FILES[SHARD]


def test_ranges_follow_the_conditions(hub: FakeHub) -> None:
    def get(**headers: str) -> requests.Response:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.get(shard_url(hub), headers=names, timeout=5)

    part = get(Range="bytes=25000-")
    assert (part.status_code, part.content) == (206, FILES[SHARD][25000:])
    assert part.headers["Content-Range"] == "bytes 25000-25599/25600"
    assert get(Range="bytes=-8").content == FILES[SHARD][-8:]
    assert get(Range="bytes=25600-").status_code == 416
    assert get(Range="bytes=5-", If_Range=part.headers["ETag"]).status_code == 206
    assert get(Range="bytes=5-", If_Range='"other"').status_code == 200
    assert get(Range="bytes=5-", If_Match='"other"').status_code == 412
    hub.ranges = False
    assert get(Range="bytes=5-").status_code == 200


def test_hub_faults_come_in_order_and_heal(hub: FakeHub) -> None:
    hub.fail(429, times=2, retry_after=3, part="/resolve/")
    for _ in range(2):
        assert requests.get(shard_url(hub), timeout=5).headers["Retry-After"] == "3"
    hub.drop_after(100)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        requests.get(shard_url(hub), timeout=5)
    hub.stall_after(100)
    with pytest.raises(requests.exceptions.ConnectionError):
        requests.get(shard_url(hub), timeout=0.2)
    hub.corrupt(SHARD, times=1)
    wrong = requests.get(shard_url(hub), timeout=5).content
    assert len(wrong) == len(FILES[SHARD]) and wrong != FILES[SHARD]
    assert requests.get(shard_url(hub), timeout=5).content == FILES[SHARD]
