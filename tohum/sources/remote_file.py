"""A dataset's file on a server: fetched completely, with resuming, or read in pieces."""

import io
import logging
import os
import random
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

from tohum.errors import UserError
from tohum.sources.object_ids import ObjectId
from tohum.sources.range_requests import LEAST_SPEED, Fault, Take, Wanted, connection

TRIES = 8
FIRST_WAIT = 0.5  # seconds, as are the following
LONGEST_WAIT = 30.0
TIMEOUT = (10.0, 30.0)  # to connect, and of any time in which LEAST_SPEED must be reached
PROGRESS_BYTES = 1 << 16  # after so many more, earlier failures no longer count
BLOCK = 4 << 20
BLOCKS_KEPT = 32

log = logging.getLogger(__name__)


class RemoteFile:
    """A file at a URL that names a commit, so that its bytes never change.

    Args:
        headers: sent to the URL's own host; libcurl drops the authorisation on the way to a CDN.
        size: in bytes.
        object_id: the hash of the whole file that its server lists.
    """

    def __init__(self, url: str, headers: dict[str, str], size: int, object_id: ObjectId) -> None:
        self.url = url
        self.headers = headers
        self.size = size
        self.object_id = object_id

    def with_headers(self, headers: dict[str, str]) -> "RemoteFile":
        """Returns the same file, asked for with other headers."""
        return RemoteFile(self.url, headers, self.size, self.object_id)

    def download(self, path: Path, part: Path | None = None) -> None:
        """Fetches the whole file to `path`.

        Args:
            part: has what has come so far; unless given, a `.part` next to `path`.

        Raises:
            UserError: the server does not serve the file, or twice serves other bytes than it
                listed.
        """
        if path.is_file():
            return  # renamed only after it was checked
        part = part or path.with_name(path.name + ".part")
        listed = self.object_id
        begun = part.is_file() and part.stat().st_size > 0  # perhaps of another revision
        for last in (False, False, True) if begun else (False, True):
            self._fill(part)
            found = listed.found(part)
            if found == listed.value:
                part.replace(path)
                return
            part.unlink()
            log.warning(
                "%s came with the %s %s, expected %s", path.name, listed.kind, found, listed.value
            )
            if last:
                raise UserError(
                    f"{self.url} has the {listed.kind} {found}, but the Hub lists {listed.value}. "
                    "Twice, so it is not the transfer: report it to the dataset's owners, or take "
                    "another revision."
                )

    def _fill(self, part: Path) -> None:
        with part.open("ab") as file:

            def take(piece: bytes) -> None:
                file.write(piece)
                file.flush()  # what has come outlives a killed process

            file.truncate(min(file.tell(), self.size))
            patience = Patience(self.url, file.tell())
            while (have := part.stat().st_size) < self.size:
                try:
                    self._get(have, self.size, take)
                except Fault as fault:
                    patience.fail(fault, part.stat().st_size)
            os.fsync(file.fileno())

    def read(self, start: int, size: int) -> bytes:
        """Returns `size` bytes from `start`.

        Raises:
            UserError: the server does not serve them.
        """
        content = bytearray()
        patience = Patience(self.url, 0)
        while len(content) < size:
            try:
                self._get(start + len(content), start + size, content.extend)
            except Fault as fault:
                patience.fail(fault, len(content))
        return bytes(content)

    def _get(self, start: int, stop: int, take: Take) -> None:
        wanted = Wanted(self.url, self.headers, self.size, start, stop - 1)
        connection().get(wanted, take, TIMEOUT)


class Patience:
    """Counts the failures since a file last made progress, and waits after each.

    Progress is PROGRESS_BYTES more, at LEAST_SPEED on average. So a server that gives a few bytes a
    time is given up, and one that breaks off often but is fast is not.
    """

    def __init__(self, url: str, have: int) -> None:
        self.url = url
        self._failures = 0
        self._have, self._since = have, time.monotonic()

    def fail(self, fault: Fault, have: int) -> None:
        """Counts a failure after which `have` bytes are there, and waits.

        Raises:
            UserError: it was the last of TRIES.
        """
        now = time.monotonic()
        gained = have - self._have
        if gained >= max(PROGRESS_BYTES, LEAST_SPEED * (now - self._since)):
            self._failures, self._have, self._since = 0, have, now
        self._failures += 1
        if self._failures >= TRIES:
            raise UserError(
                f"{self.url} failed {self._failures} times in a row ({fault}). Run `dvc repro` "
                "again when the network is back: what has come so far is kept."
            )
        if fault.wait > LONGEST_WAIT:
            log.warning("%s: %s; it is asked again in %.0f s", self.url, fault, fault.wait)
        longest = min(LONGEST_WAIT, FIRST_WAIT * 2**self._failures)
        time.sleep(max(fault.wait, random.uniform(0, longest)))


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

    def peek(self, start: int, size: int) -> bytes:
        """Returns at most `size` bytes from `start` without moving, from blocks that are kept."""
        content = b""
        while len(content) < size and 0 <= start < self.remote.size:
            number, place = divmod(start, BLOCK)
            piece = self._block(number)[place : place + size - len(content)]
            content, start = content + piece, start + len(piece)
        return content

    def _block(self, number: int) -> bytes:
        if number not in self._blocks:
            start = number * BLOCK
            self._blocks[number] = self.remote.read(start, min(BLOCK, self.remote.size - start))
            if len(self._blocks) > BLOCKS_KEPT:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(number)
        return self._blocks[number]
