"""An HTTP/1.1 server on 127.0.0.1, on a port of the system's choice, in a thread of its own.

One asyncio loop serves all connections: 512 of them at once are 512 small coroutines.
"""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Self

from tests.fakes.faults import Schedule
from tests.fakes.messages import Reply, Request, read_request

BACKLOG = 1024
START_SECONDS = 10

# An answer of None is a connection that closes without a word.
Answer = Callable[[Request], Reply | None]
# Sends an answer in its own way, and returns whether the connection goes on.
Script = Callable[[Request, Reply, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bool]]


class Server:
    """Gives `answer` every request, in the loop's thread, and sends what it returns.

    Public: `requests`, every request in order of arrival; `connections`, how many were accepted;
    `max_concurrent`, the most requests that waited for an answer at one time; `latency`, seconds
    before each answer; `keep_alive`, whether connections outlive an answer; `scripts`, which send
    the answers to the requests that meet them.
    """

    def __init__(
        self, answer: Answer, name: str = "", latency: float = 0.0, keep_alive: bool = True
    ) -> None:
        self.name = name
        self.latency = latency
        self.keep_alive = keep_alive
        self.requests: list[Request] = []
        self.scripts: Schedule[Script] = Schedule()
        self.connections = 0
        self.max_concurrent = 0
        self._answer = answer
        self._active = 0
        self._conversations: set[asyncio.Task[None]] = set()
        self._port: Future[int] = Future()
        self._thread = threading.Thread(target=self._run, name=f"fake {name}", daemon=True)

    @property
    def endpoint(self) -> str:
        """The address without a slash at its end, `http://127.0.0.1:PORT`."""
        return f"http://127.0.0.1:{self._port.result(START_SECONDS)}"

    def __enter__(self) -> Self:
        self._thread.start()
        self._port.result(START_SECONDS)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except OSError as error:
            self._port.set_exception(error)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        listener = await asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=BACKLOG)
        self._port.set_result(listener.sockets[0].getsockname()[1])
        await self._stop.wait()
        listener.close()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A coroutine as start_server's callback would log each connection that stopping cancels.
        conversation = self._loop.create_task(self._converse(reader, writer))
        self._conversations.add(conversation)
        conversation.add_done_callback(self._conversations.discard)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers one request after another on one connection, until either side closes it."""
        self.connections += 1
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while request := await read_request(reader, self.name):
                    if not await self._serve_one(request, reader, writer):
                        break
        except asyncio.CancelledError:
            writer.transport.abort()
            raise
        finally:
            writer.close()

    async def _serve_one(
        self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Sends one answer and returns whether the connection goes on."""
        self.requests.append(request)
        self._active += 1
        self.max_concurrent = max(self.max_concurrent, self._active)
        try:
            if self.latency:
                await asyncio.sleep(self.latency)
            reply = self._answer(request)
            return reply is not None and await self._send(request, reply, reader, writer)
        finally:
            self._active -= 1

    async def _send(
        self,
        request: Request,
        reply: Reply,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        if script := self.scripts.take(request.path):
            return await script(request, reply, reader, writer)
        writer.write(reply.head())
        if request.method == "HEAD":
            await writer.drain()
        else:
            writer.write(reply.payload())
            await writer.drain()
            if reply.interruption is not None:
                if reply.interruption.stall:
                    await reader.read(1)
                return False
        asked_to_close = request.headers.get("connection", "").lower() == "close"
        return self.keep_alive and not reply.close and not asked_to_close
