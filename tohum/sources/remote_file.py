"""A dataset's file on a server: fetched completely, with resuming, or read in pieces."""

import io
import logging
import os
import random
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

import requests

from tohum.errors import UserError
from tohum.files import file_sha256

TRIES = 8
TIMEOUT = (10.0, 30.0)  # seconds to connect, and to wait for the next bytes
PIECE = 1 << 16  # what a break in the middle of a piece loses
BLOCK = 4 << 20
BLOCKS_KEPT = 32
TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})

log = logging.getLogger(__name__)


class RemoteFile:
    """A file at a URL that names a commit, so that its bytes never change.

    Args:
        headers: sent to the URL's own host; `requests` drops the authorisation on the way to a CDN.
        size: in bytes.
        sha256: of the whole file in hex, if its server gives it.
    """

    def __init__(self, url: str, headers: dict[str, str], size: int, sha256: str | None) -> None:
        self.url = url
        self.size = size
        self.sha256 = sha256
        self._session = requests.Session()
        self._session.headers.update({**headers, "Accept-Encoding": "identity"})

    def download(self, path: Path) -> None:
        """Fetches the whole file to `path`; a `.part` next to it has what has come so far.

        Raises:
            UserError: the server does not serve the file, or twice serves other bytes than it
                listed.
        """
        if path.is_file():
            return  # renamed only after it was checked
        part = path.with_name(path.name + ".part")
        for last in (False, True):
            self._fill(part)
            found = file_sha256(part)
            if self.sha256 in (None, found):
                part.replace(path)
                return
            part.unlink()
            log.warning("%s came with the SHA-256 %s, expected %s", path.name, found, self.sha256)
            if last:
                raise UserError(
                    f"{self.url} has the SHA-256 {found}, but the Hub lists {self.sha256}. Twice, "
                    "so it is not the transfer: report it to the dataset's owners, or take another "
                    "revision."
                )

    def _fill(self, part: Path) -> None:
        failures = farthest = 0
        while (have := part.stat().st_size if part.exists() else 0) < self.size:
            if have > farthest:  # what comes again from the start is not progress
                failures, farthest = 0, have
            try:
                with self._get(have, self.size - 1) as answer, part.open("ab") as file:
                    if answer.status_code == 200:
                        file.truncate(0)  # a server without ranges starts over
                    for piece in answer.iter_content(PIECE):
                        file.write(piece)
                    file.flush()
                    os.fsync(file.fileno())
                if part.stat().st_size <= farthest:
                    raise requests.ConnectionError(f"nothing came after byte {farthest}")
            except requests.RequestException as error:
                failures += 1
                self._pause(failures, error)
        if part.stat().st_size > self.size:
            with part.open("ab") as file:
                file.truncate(self.size)

    def read(self, start: int, size: int) -> bytes:
        """Returns `size` bytes from `start`.

        Raises:
            UserError: the server does not serve them.
        """
        failures = 0
        while True:
            try:
                with self._get(start, start + size - 1) as answer:
                    content = answer.content
                if answer.status_code == 200:
                    content = content[start : start + size]
                if len(content) == size:
                    return content
                raise requests.ConnectionError(f"{len(content)} bytes came, {size} were asked for")
            except requests.RequestException as error:
                failures += 1
                self._pause(failures, error)

    def _get(self, start: int, end: int) -> requests.Response:
        headers = {"Range": f"bytes={start}-{end}"}
        answer = self._session.get(self.url, headers=headers, timeout=TIMEOUT, stream=True)
        if answer.status_code in (200, 206):
            return answer
        answer.close()
        message = answer.headers.get("X-Error-Message") or answer.reason
        if answer.status_code in TRANSIENT:
            wait = answer.headers.get("Retry-After", "")
            if wait.isdigit():
                time.sleep(min(60, int(wait)))
            raise requests.ConnectionError(f"HTTP {answer.status_code} {message}")
        raise UserError(
            f"{self.url} answers HTTP {answer.status_code} {message}. Check that you still have "
            "access."
        )

    def _pause(self, failures: int, error: Exception) -> None:
        if failures >= TRIES:
            raise UserError(
                f"{self.url} failed {failures} times in a row ({error}). Run `dvc repro` again "
                "when the network is back: what has come so far is kept."
            ) from None
        time.sleep(random.uniform(0, min(30, 0.5 * 2**failures)))


class RemoteReader(io.RawIOBase):
    """A RemoteFile as a seekable file; fetches blocks of BLOCK bytes and keeps the latest few."""

    def __init__(self, remote: RemoteFile) -> None:
        super().__init__()
        self.remote = remote
        self._position = 0
        self._blocks: OrderedDict[int, bytes] = OrderedDict()

    def readable(self) -> bool:
        """Returns True."""
        return True

    def seekable(self) -> bool:
        """Returns True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Sets the position and returns it."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.remote.size}[whence]
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        """Returns the position."""
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Reads at most to the end of a block, and returns the number of bytes."""
        number, start = divmod(self._position, BLOCK)
        piece = (
            self._block(number)[start : start + len(buffer)]
            if self._position < self.remote.size
            else b""
        )
        buffer[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def _block(self, number: int) -> bytes:
        if number not in self._blocks:
            start = number * BLOCK
            self._blocks[number] = self.remote.read(start, min(BLOCK, self.remote.size - start))
            if len(self._blocks) > BLOCKS_KEPT:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(number)
        return self._blocks[number]
