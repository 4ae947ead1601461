"""Small DVC projects that the real dvc and dvc-gdrive share through the fake Drive."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.conftest import PROJECT
from tests.fakes.drive import HOSTS, Drive
from tests.fakes.drive_files import DriveFiles
from tests.fakes.google_accounts import user_credentials
from tests.fakes.raw_server import make_certificate

CLIENT = "123-own.apps.googleusercontent.com"
SHARDS = 6
OBJECTS = SHARDS + 3  # the model and the .dir of both outputs
MAKE = """
import pathlib
shards, model = pathlib.Path("data/shards"), pathlib.Path("models/lm")
for folder in (shards, model):
    folder.mkdir(parents=True)
for number in range({shards}):
    (shards / f"part-{{number}}.bin").write_bytes(bytes([number]) * 20_000)
(model / "model.bin").write_bytes(b"weights" * 5_000)
"""
STAGES = """
stages:
  make:
    cmd: python make.py
    deps: [make.py]
    outs: [data/shards, models/lm]
"""

Done = subprocess.CompletedProcess[str]


@dataclass
class Shared:
    """A small project on a machine of its own: its cache, its home and its environment."""

    root: Path
    drive: Drive
    certificate: Path

    def environment(self, **more: str) -> dict[str, str]:
        """An environment in which every client's way to Google is the fake."""
        home = self.root.parent / f"{self.root.name}-home"
        inherited = {
            name: value for name, value in os.environ.items() if name.lower() != "no_proxy"
        }
        names = {
            f"GIT_{role}_{field}": "test"
            for role in ("AUTHOR", "COMMITTER")
            for field in ("NAME", "EMAIL")
        }
        return {
            **inherited, **names,
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PYTHONPATH": str(PROJECT),
            "HTTPS_PROXY": self.drive.proxy, "https_proxy": self.drive.proxy,
            "HTTPLIB2_CA_CERTS": str(self.certificate),
            "DVC_NO_ANALYTICS": "1", "CI": "1",
            "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"),
            "DVC_SITE_CACHE_DIR": str(home / "site"),
            **more,
        }  # fmt: skip

    def start(self, *command: str, **more: str) -> "subprocess.Popen[str]":
        """Starts a command of `share` in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "tohum", "share", *command],
            cwd=self.root, env=self.environment(**more), stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip

    def share(self, *command: str, code: int | None = 0, **more: str) -> str:
        """Runs a command of `share`, expects its exit code, or with None any of a failure, and
        returns all that it printed.
        """
        process = self.start(*command, **more)
        said, _ = process.communicate()
        assert process.returncode == code if code is not None else process.returncode, said
        assert "Traceback" not in said
        return said

    def run(self, *command: str) -> str:
        """Runs another command and returns what it printed."""
        done = subprocess.run(
            command, cwd=self.root, env=self.environment(), capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert not done.returncode, done.stdout + done.stderr
        return done.stdout

    def remote(self, folder: str, **options: str) -> None:
        """Makes the remote `drive` the default one: the folder for all, the options for here."""
        config = (self.root / ".dvc" / "config").read_text()
        if "drive" not in config:
            self.write(
                "config",
                f"[core]\n    remote = drive\n['remote \"drive\"']\n    url = gdrive://{folder}\n",
            )
        lines = "".join(f"    {name} = {value}\n" for name, value in options.items())
        self.write("config.local", f"['remote \"drive\"']\n{lines}")

    def use_service_account(self, key: Path) -> None:
        """Makes the key of a service account the way in, for the folder that is there."""
        way_in = {
            "gdrive_use_service_account": "true",
            "gdrive_service_account_json_file_path": str(key),
        }
        self.remote("", **way_in)

    def write(self, name: str, text: str) -> None:
        (self.root / ".dvc" / name).write_text(text)

    def log_in(self, **changed: Any) -> None:
        """Puts the credentials of a login where dvc-gdrive keeps them."""
        folder = Path(self.environment()["XDG_CACHE_HOME"]) / "pydrive2fs" / CLIENT
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "default.json").write_text(json.dumps(user_credentials(CLIENT) | changed))

    def hashes(self) -> dict[str, bytes]:
        """The bytes of every output."""
        return {
            path.relative_to(self.root).as_posix(): path.read_bytes()
            for folder in ("data", "models")
            for path in sorted((self.root / folder).rglob("*"))
            if path.is_file() and path.name != ".gitignore"
        }

    def assert_all_is_there(self) -> None:
        """Each object is on the Drive once, whole, and under the name of its bytes' MD5."""
        items = self.drive.files.items
        names = [items[item.parent].title + item.title for item in self.drive.files.files()]
        held = {name: self.drive.files.content(name[2:]) for name in names}
        assert len(names) == len(held) == OBJECTS
        for name, content in held.items():
            assert hashlib.md5(content).hexdigest() == name.removesuffix(".dir")

    def friend(self, name: str = "friend") -> "Shared":
        """A fresh clone on another machine, with the same way in but nothing fetched."""
        other = Shared(self.root.parent / name, self.drive, self.certificate)
        self.run("git", "clone", "--quiet", ".", str(other.root))
        local = self.root / ".dvc" / "config.local"
        if local.exists():
            shutil.copy(local, other.root / ".dvc" / "config.local")
        other.log_in()
        return other


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("certificate"), *HOSTS)


@pytest.fixture(scope="session")
def service_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A service account's key file; the fake takes any signature."""
    key = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = tmp_path_factory.mktemp("key") / "key.json"
    told = {
        "type": "service_account",
        "private_key_id": "1",
        "private_key": key.decode(),
        "client_email": "robot@project.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    path.write_text(json.dumps(told))
    return path


@pytest.fixture
def drive(tmp_path: Path, certificate: Path) -> Iterator[Drive]:
    """A Drive whose clients must never have asked for a host that is not Google's."""
    with Drive(tmp_path / "drive", certificate) as drive:
        yield drive
    assert drive.hosts <= set(HOSTS)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory, certificate: Path) -> Path:
    """A project in which its only stage has run."""
    root = tmp_path_factory.mktemp("made") / "project"
    root.mkdir()
    with Drive(root.parent / "drive", certificate) as drive:
        project = Shared(root, drive, certificate)
        project.run("git", "init", "--quiet")
        project.run("dvc", "init", "--quiet")
        (root / "make.py").write_text(MAKE.format(shards=SHARDS))
        (root / "dvc.yaml").write_text(STAGES)
        project.run("dvc", "repro", "--quiet")
    return root


@pytest.fixture(scope="session")
def uploaded(made: Path, tmp_path_factory: pytest.TempPathFactory, certificate: Path) -> DriveFiles:
    """What the Drive holds after a push of the project."""
    root = tmp_path_factory.mktemp("uploaded")
    with Drive(root / "drive", certificate) as drive:
        connected(made, root, drive, certificate).share("push")
    return drive.files


@pytest.fixture
def project(tmp_path: Path, made: Path, drive: Drive, certificate: Path) -> Shared:
    """The project, with the folder "shared" of the user's Drive as its remote, logged in."""
    return connected(made, tmp_path, drive, certificate)


@pytest.fixture
def pushed(project: Shared, uploaded: DriveFiles) -> Shared:
    """The project, and its push is done."""
    project.drive.files.take_over(uploaded)
    return project


def connected(made: Path, folder: Path, drive: Drive, certificate: Path) -> Shared:
    root = folder / "project"
    shutil.copytree(made, root, symlinks=True)
    project = Shared(root, drive, certificate)
    project.remote(
        drive.files.add_folder("shared"),
        gdrive_client_id=CLIENT,
        gdrive_client_secret="fake-secret",
    )
    project.log_in()
    project.run("git", "add", "--all")
    project.run("git", "commit", "--quiet", "--message", "A project")
    return project


@pytest.fixture
def local(project: Shared) -> Shared:
    """The project with a folder as its remote, as a clone has it before any setup."""
    config = "[core]\n    remote = local\n['remote \"local\"']\n    url = ../.share\n"
    project.write("config", config)
    project.write("config.local", "")
    return project
