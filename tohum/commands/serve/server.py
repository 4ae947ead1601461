"""Runs the server: uvicorn on a port of this machine, with the HTTP parser of Node.js (httptools).

Its other parser, h11, is of Python, and would take longer than the model for a letter.
"""

import logging
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tohum.commands.generate.config import Generate
from tohum.commands.serve.app import make_app, refusal
from tohum.commands.serve.engine import Engine
from tohum.commands.serve.orders import Writer
from tohum.errors import UserError
from tohum.inference import LanguageModel

LOOPBACK = ("127.0.0.1", "localhost", "::1")
# Of the lock of the interpreter: by default a thread may wait 5 ms for it, as long as the model
# takes for 50 tokens.
SWITCH_SECONDS = 0.0001
LARGEST_HEAD = 64 << 10  # bytes of a request's line and headers
IDLE_SECONDS = 75  # how long a connection without a request stays open

log = logging.getLogger(__name__)


class Protocol(HttpToolsProtocol):
    """HTTP/1.1 whose errors are in OpenAI's shape too, and whose headers have an end."""

    head_bytes: int | None = 0  # of the request whose headers are coming; None: they are complete

    def data_received(self, data: bytes) -> None:
        """Takes what has come, which may be a part of a request or several."""
        if self.head_bytes is not None:
            self.head_bytes += len(data)
        super().data_received(data)
        endless = self.head_bytes is not None and self.head_bytes > LARGEST_HEAD
        if endless and not self.transport.is_closing():
            self.send_400_response("")

    def on_message_begin(self) -> None:
        """Starts to count."""
        self.head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Stops counting."""
        self.head_bytes = None
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuses what is not HTTP, and closes the connection."""
        answer = refusal(
            400,
            "the request is not HTTP/1.1, its length is not a number, or its headers are longer "
            f"than {LARGEST_HEAD:,} bytes.",
        )
        lines = [b"HTTP/1.1 400 Bad Request", b"Connection: close"]
        lines += [name + b": " + value for name, value in answer.raw_headers]
        self.transport.write(b"\r\n".join(lines) + b"\r\n\r\n" + bytes(answer.body))
        self.transport.close()


def serve(
    model: LanguageModel, options: Generate, host: str = "127.0.0.1", api_key: str | None = None
) -> None:
    """Serves until the process is interrupted.

    Raises:
        UserError: the port is taken, the key can't be sent, or the host is not this machine's and
            there is no key.
    """
    with open_server(model, options, host, api_key) as (server, listener):
        shown, port = listener.getsockname()[:2]
        sys.setswitchinterval(SWITCH_SECONDS)
        log.info("http://%s:%d, until Ctrl-C", f"[{shown}]" if ":" in shown else shown, port)
        with suppress(KeyboardInterrupt):  # the usual way to end
            server.run(sockets=[listener])


@contextmanager
def open_server(
    model: LanguageModel, options: Generate, host: str = "127.0.0.1", api_key: str | None = None
) -> Iterator[tuple[uvicorn.Server, socket.socket]]:
    """Gives a server and the socket on which it listens, at options.port (0: any free one).

    Raises:
        UserError: as `serve`.
    """
    if api_key is not None and not (api_key.isascii() and api_key.isprintable() and api_key):
        raise UserError(
            f"--api-key is {api_key!r}, expected letters, digits and signs of ASCII, and at least "
            "one: clients send others in different bytes."
        )
    if host not in LOOPBACK and not api_key:
        raise UserError(
            f"host={host} lets other machines use the model: give them a key, --api-key KEY."
        )
    try:
        listener = socket.create_server(
            (host, options.port),
            family=socket.AF_INET6 if ":" in host else socket.AF_INET,
            backlog=512,
        )
    except OSError as error:
        raise UserError(
            f"port {options.port} can't be used on {host} ({error.strerror}): give another, such "
            "as port=0 for any free one."
        ) from None
    with listener, Engine(model) as engine:
        app = make_app(Writer(engine, options.sampling), api_key)
        config = uvicorn.Config(
            app,
            http=Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=1,
            server_header=False,
        )
        yield uvicorn.Server(config), listener
