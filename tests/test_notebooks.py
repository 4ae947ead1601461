"""The course's notebooks in a real kernel, with a folder in place of the reader's Drive."""

import json
import os
import re
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError

from tests.conftest import TINY, Clone, make_clone
from tests.notebooks import NOTEBOOKS, code_cell
from tests.processes import PATIENCE, kill_tree

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="Colab is Linux"),
]
DRIVE = """\
import pathlib


def mount(folder):
    pathlib.Path(folder, "MyDrive").mkdir(exist_ok=True)
"""
PARAMS = f"%%writefile params.yaml\n{json.dumps({'overrides': list(TINY)})}\n"


def notebook_of(cells: list[dict[str, Any]], **more: Any) -> Any:
    """A notebook of some cells, as nbformat has it in memory."""
    whole = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4, **more}
    return nbformat.reads(json.dumps(whole), as_version=4)  # type: ignore[no-untyped-call]


class Session:
    """Colab sessions of one reader, whose Drive outlives each of them."""

    def __init__(self, root: Path, repository: Clone) -> None:
        self.root, self.repository = root, repository
        self.drive = root / "drive"
        self.drive.mkdir()
        self.project = Clone(self.drive / "MyDrive" / "tohum")
        colab = root / "packages" / "google" / "colab"
        colab.mkdir(parents=True)
        (colab / "__init__.py").touch()
        (colab / "drive.py").write_text(DRIVE)

    def cells(self, *commands: str) -> list[str]:
        """The first two cells of the Turkish notebook as they are here, and more after them."""
        written = json.loads(NOTEBOOKS["tr"].read_text("utf-8"))["cells"]
        first, second = ("".join(cell["source"]) for cell in written[1:3])
        assert '"/content/drive"' in first and 'REPOSITORY = ""' in first
        first = first.replace("/content/drive", str(self.drive))
        first = first.replace('REPOSITORY = ""', f'REPOSITORY = "{self.repository.root}"')
        first, installs = re.subn("!python -m pip", "!echo pip", first)
        assert installs == 1
        return [first, second, *commands]

    def client(self, cells: list[str]) -> NotebookClient:
        book = notebook_of([code_cell(cell) for cell in cells])
        return NotebookClient(book, timeout=PATIENCE, kernel_name="python3")

    def environment(self) -> dict[str, str]:
        """The environment of a kernel: no project of this test's process, and a fake of Colab."""
        return {
            **self.repository.environment(),
            "PYTHONPATH": os.pathsep.join([str(self.project.root), str(self.root / "packages")]),
            "DVC_SITE_CACHE_DIR": str(self.root / "site"),
        }

    def run(self, *commands: str) -> list[str]:
        """Runs a notebook of the first cells and these; returns what each cell printed."""
        client = self.client(self.cells(*commands))
        client.execute(cwd=str(self.root), env=self.environment())
        return ["".join(one.get("text", "") for one in cell.outputs) for cell in client.nb.cells]

    def lose(self, *commands: str, stage: str) -> None:
        """Runs a notebook; kills its kernel, and all it has started, while a stage is at work."""
        client = self.client(self.cells(*commands))

        def execute() -> None:
            with suppress(DeadKernelError, CellExecutionError):
                client.execute(cwd=str(self.root), env=self.environment())

        running = threading.Thread(target=execute)
        running.start()
        work, deadline = self.project.root / ".work" / stage, time.monotonic() + PATIENCE
        while not any(work.glob("*/")) and running.is_alive() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert any(work.glob("*/")), f"{stage} has begun"
        manager: Any = client.km
        kill_tree(manager.provisioner.pid)
        running.join()


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    repository = make_clone(tmp_path / "repository")
    shutil.rmtree(repository.root / ".work")
    yield Session(tmp_path, repository)


@pytest.mark.parametrize("language", NOTEBOOKS)
def test_a_notebook_is_valid(language: str) -> None:
    written = json.loads(NOTEBOOKS[language].read_text("utf-8"))
    nbformat.validate(notebook_of(**written))
    assert f"%env TOHUM_LANG={language}\n" in written["cells"][2]["source"]


def test_a_lost_session_goes_on_to_the_same_bytes(session: Session, trained: Clone) -> None:
    session.lose(PARAMS, "!dvc repro", stage="train")
    weights = trained.hashes()["models/weights"]
    assert session.project.hashes()["models/weights"] != weights, "it was lost before"
    printed = session.run("!dvc repro")
    assert "Cloning" not in printed[0], "the project is on Drive"
    ran = re.findall(r"Running stage '(\w+)'", printed[2])
    assert ran == ["train", "evaluate"], "what was finished is not computed again"
    assert session.project.hashes() == trained.hashes()
    printed = session.run("!dvc repro", "!tohum report")
    assert "Running stage" not in printed[2]
    assert "Ne yapıldı" in printed[3], "in the notebook's language"


def test_without_an_address_the_first_cell_asks_for_it(session: Session) -> None:
    first = session.cells()[0].replace(str(session.repository.root), "")
    with pytest.raises(CellExecutionError, match="Projenin git adresini yaz"):
        session.client([first]).execute(cwd=str(session.root), env=session.environment())
