"""What servers, proxies and networks do to an answer: the scripts of benchmarks/faults.py."""

import asyncio
import gzip
import random
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from http import HTTPStatus

from tests.fakes.messages import Reply, Request
from tests.fakes.server import Script

PAGE = b"<!DOCTYPE html><html><body>Please sign in to use this network.</body></html>"
PIECE = bytes(65_536)
PATIENT_SECONDS = 600  # longer than any client waits
Change = Callable[[Reply], Reply]


async def normally(
    request: Request, reply: Reply, reader: StreamReader, writer: StreamWriter
) -> bool:
    """Sends the answer as it should be."""
    writer.write(reply.head() + (b"" if request.method == "HEAD" else reply.payload()))
    await writer.drain()
    return True


def changed(change: Change) -> Script:
    """Sends a changed answer."""

    async def script(
        request: Request, reply: Reply, reader: StreamReader, writer: StreamWriter
    ) -> bool:
        return await normally(request, change(reply), reader, writer)

    return script


def body(change: Callable[[bytes], bytes], **headers: str) -> Script:
    """Sends another body, whose Content-Length agrees."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return changed(
        lambda reply: replace(reply, body=change(reply.body), headers={**reply.headers, **named})
    )


def status(code: int, text: bytes = PAGE, **headers: str) -> Script:
    """Answers with a status of its own, known to the standard or not."""
    phrase = HTTPStatus(code).phrase if code in set(HTTPStatus) else "Unknown"
    lines = [f"HTTP/1.1 {code} {phrase}", f"Content-Length: {len(text)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return raw("\r\n".join(lines).encode() + b"\r\n\r\n" + text)


def raw(*pieces: bytes, pause: float = 0, hold: bool = False, goes_on: bool = True) -> Script:
    """Sends these bytes, with a pause after each piece, whatever the answer should be."""
    return _pieces(lambda reply: list(pieces), pause, hold, goes_on)


def wire(
    change: Callable[[bytes, bytes], list[bytes]],
    pause: float = 0,
    hold: bool = False,
    goes_on: bool = False,
) -> Script:
    """Sends what `change` makes of the head and the body."""
    return _pieces(lambda reply: change(reply.head(), reply.body), pause, hold, goes_on)


def _pieces(
    make: Callable[[Reply], list[bytes]], pause: float, hold: bool, goes_on: bool
) -> Script:
    async def script(
        request: Request, reply: Reply, reader: StreamReader, writer: StreamWriter
    ) -> bool:
        for piece in make(reply):
            writer.write(piece)
            await writer.drain()
            if pause:
                await asyncio.sleep(pause)
        if hold:
            await _until_left(reader)
        return goes_on

    return script


def endless(start: bytes, piece: bytes) -> Script:
    """Sends `start` and then `piece` for as long as the client takes it."""

    async def script(
        request: Request, reply: Reply, reader: StreamReader, writer: StreamWriter
    ) -> bool:
        writer.write(start)
        deadline = time.monotonic() + PATIENT_SECONDS
        while time.monotonic() < deadline:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        return False

    return script


def endless_slowly(start: bytes, pause: float = 0.3) -> Script:
    """Sends `start` and then one byte after another for as long as the client waits."""

    async def script(
        request: Request, reply: Reply, reader: StreamReader, writer: StreamWriter
    ) -> bool:
        writer.write(start)
        deadline = time.monotonic() + PATIENT_SECONDS
        while time.monotonic() < deadline and not writer.transport.is_closing():
            writer.write(b"a")
            await writer.drain()
            await asyncio.sleep(pause)
        return False

    return script


def slowly(
    request: Request, reply: Reply, reader: StreamReader, writer: StreamWriter
) -> Awaitable[bool]:
    """Sends the head as it should be and the body byte by byte, for as long as the client waits."""
    script = wire(lambda head, body: [head, *(bytes([byte]) for byte in body)], pause=0.3)
    return script(request, reply, reader, writer)


def silence(
    request: Request, reply: Reply, reader: StreamReader, writer: StreamWriter
) -> Awaitable[bool]:
    """Says nothing until the client leaves."""

    async def script() -> bool:
        await _until_left(reader)
        return False

    return script()


async def _until_left(reader: StreamReader) -> None:
    while await reader.read(1024):
        pass


async def close(request: Request, reply: Reply, reader: StreamReader, writer: StreamWriter) -> bool:
    """Closes the connection without an answer."""
    return False


async def reset(request: Request, reply: Reply, reader: StreamReader, writer: StreamWriter) -> bool:
    """Aborts the connection, in the middle of the body."""
    writer.write(reply.head() + reply.body[: len(reply.body) // 2])
    writer.transport.abort()
    return False


def moved(code: int = 302, **change: str) -> Script:
    """Redirects to the same path with a query, or as `change` says."""

    async def script(
        request: Request, reply: Reply, reader: StreamReader, writer: StreamWriter
    ) -> bool:
        target = change.get("location", f"{request.target}?moved")
        return await status(code, b"", Location=target)(request, reply, reader, writer)

    return script


def for_seconds(seconds: float, script: Script) -> Script:
    """Plays a script from the first request on for so long, and is normal afterwards."""
    until: list[float] = []

    async def chosen(
        request: Request, reply: Reply, reader: StreamReader, writer: StreamWriter
    ) -> bool:
        if not until:
            until.append(time.monotonic() + seconds)
        current = script if time.monotonic() < until[0] else normally
        return await current(request, reply, reader, writer)

    return chosen


def at_random(share: float, script: Script, seed: int) -> Script:
    """Plays a script for a share of the answers, drawn by a seed."""
    generator = random.Random(seed)

    async def chosen(
        request: Request, reply: Reply, reader: StreamReader, writer: StreamWriter
    ) -> bool:
        current = script if generator.random() < share else normally
        return await current(request, reply, reader, writer)

    return chosen


def flipped(content: bytes) -> bytes:
    """Returns the bytes with one bit of their middle flipped."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def two_members(member: bytes) -> bytes:
    """Returns a gzip body of the same content in two members."""
    content = gzip.decompress(member)
    half = len(content) // 2
    return gzip.compress(content[:half], mtime=0) + gzip.compress(content[half:], mtime=0)


def bomb(megabytes: int) -> bytes:
    """Returns a small gzip body that decompresses to so many MB."""
    return gzip.compress(bytes(megabytes * 1_000_000), 9, mtime=0)


def zipped(content: bytes) -> bytes:
    """Returns the bytes in one gzip member."""
    return gzip.compress(content, mtime=0)


def unzipped(member: bytes) -> bytes:
    """Returns the content of a gzip body."""
    return gzip.decompress(member)


BOMB = bomb(300)
