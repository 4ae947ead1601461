"""Serves the model as a page and an API like OpenAI's, on this machine only.

    GET  /                       a page to write and chat with the model
    GET  /v1/models              the only model
    POST /v1/completions         prompt, suffix (fills in the middle), max_tokens, temperature, ...
    POST /v1/chat/completions    messages

https://platform.openai.com/docs/api-reference; `stream` sends server-sent events. What a request
leaves out is as in conf/generate.yaml. Other servers can load models/lm too, but none puts the
special tokens where this pipeline's training had them.

It listens on 127.0.0.1, and answers only requests that name this machine as their host and POSTs of
JSON, so no web page can use the model through the user's browser.
"""

import json
import logging
import re
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tohum.commands.generate.config import Generate
from tohum.commands.serve.request import CompletionRequest, read_request
from tohum.errors import UserError
from tohum.inference import Continuation, LanguageModel

MODEL = "models/lm"
PAGE = Path(__file__).parent / "page.html"
HOSTS = ("127.0.0.1", "localhost")
LARGEST_REQUEST = 1 << 20  # bytes
SILENCE_SECONDS = 30.0  # how long a client may keep its connection waiting

log = logging.getLogger(__name__)


def serve(model: LanguageModel, options: Generate) -> None:
    """Serves until the process is interrupted.

    Raises:
        UserError: the port is taken.
    """
    with open_server(model, options) as server:
        log.info("http://127.0.0.1:%d, until Ctrl-C", server.server_port)
        server.serve_forever()


def open_server(model: LanguageModel, options: Generate) -> "Server":
    """Returns a server that listens on the loopback, on options.port (0: any free one).

    Raises:
        UserError: the port is taken.
    """
    try:
        return Server(model, options)
    except OSError as error:
        raise UserError(
            f"port {options.port} can't be used ({error.strerror}): give another, such as port=0 "
            "for any free one."
        ) from None


class Server(ThreadingHTTPServer):
    """A model that answers one request after another."""

    daemon_threads = True

    def __init__(self, model: LanguageModel, options: Generate) -> None:
        self.model = model
        self.options = options
        self.one_at_a_time = threading.Lock()
        super().__init__(("127.0.0.1", options.port), _Handler)

    def continuation(self, request: CompletionRequest) -> Continuation:
        """Returns the text that a request asks for."""
        if request.messages is None:
            return self.model.complete(request.prompt, request.sampling, request.suffix)
        return self.model.answer(request.messages, request.sampling)


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server
    timeout = SILENCE_SECONDS

    def do_GET(self) -> None:
        if not self._named_as_this_machine():
            return
        if self.path == "/":
            self._send(HTTPStatus.OK, "text/html; charset=utf-8", PAGE.read_bytes())
        elif self.path == "/v1/models":
            models = [{"id": MODEL, "object": "model", "created": 0, "owned_by": "you"}]
            self._send_json(HTTPStatus.OK, {"object": "list", "data": models})
        else:
            self._refuse(HTTPStatus.NOT_FOUND, f"there is no {self.path}")

    def do_POST(self) -> None:
        if not self._named_as_this_machine():
            return
        chat = self.path == "/v1/chat/completions"
        if not chat and self.path != "/v1/completions":
            self._refuse(HTTPStatus.NOT_FOUND, f"there is no {self.path}")
            return
        if self.headers.get_content_type() != "application/json":
            self._refuse(HTTPStatus.BAD_REQUEST, "the Content-Type must be application/json")
            return
        length = self._length()
        if length is None:
            return
        try:
            request = read_request(self.rfile.read(length), chat, self.server.options)
        except UserError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
            return
        with self.server.one_at_a_time:
            written = self.server.continuation(request)
            if request.stream:
                self._stream(request, written)
                return
            text = "".join(written)
        self._send_json(HTTPStatus.OK, _answer(request, text, _finish(written)))

    def _stream(self, request: CompletionRequest, written: Continuation) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()  # HTTP/1.0: the end of the connection ends the answer
        try:
            for piece in written:
                self._event(json.dumps(_answer(request, piece, None)))
            self._event(json.dumps(_answer(request, "", _finish(written))))
            self._event("[DONE]")
        except (BrokenPipeError, ConnectionResetError):
            log.info("the client went away")

    def _event(self, data: str) -> None:
        self.wfile.write(f"data: {data}\n\n".encode())
        self.wfile.flush()

    def _length(self) -> int | None:
        """Returns the size of the body, or None after an answer that refuses it."""
        given = self.headers.get("Content-Length")
        if given is None:
            self._refuse(HTTPStatus.LENGTH_REQUIRED, "the Content-Length is missing")
        elif not re.fullmatch("[0-9]+", given):  # RFC 9110, section 8.6
            self._refuse(HTTPStatus.BAD_REQUEST, f"the Content-Length is {given!r}, not a number")
        elif len(given) > 15 or int(given) > LARGEST_REQUEST:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "a request has at most 1 MiB")
        else:
            return int(given)
        return None

    def _named_as_this_machine(self) -> bool:
        host = (self.headers.get("Host") or "").rpartition(":")
        named = (host[0] or host[2]) in HOSTS
        if not named:
            self._refuse(HTTPStatus.FORBIDDEN, f"the host must be one of {', '.join(HOSTS)}")
        return named

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        error = {"message": message, "type": "invalid_request_error"}
        self._send_json(status, {"error": error})

    def _send_json(self, status: HTTPStatus, value: Any) -> None:
        self._send(status, "application/json", json.dumps(value).encode())

    def _send(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *values: Any) -> None:
        log.debug(format, *values)


def _finish(written: Continuation) -> str:
    return "stop" if written.ended else "length"


def _answer(request: CompletionRequest, text: str, finish: str | None) -> dict[str, Any]:
    """Returns an answer, or one piece of a streamed answer, in OpenAI's format."""
    choice: dict[str, Any] = {"index": 0, "finish_reason": finish}
    if request.messages is None:
        kind = "text_completion"
        choice["text"] = text
    elif request.stream:
        kind = "chat.completion.chunk"
        choice["delta"] = {"role": "assistant", "content": text} if text else {}
    else:
        kind = "chat.completion"
        choice["message"] = {"role": "assistant", "content": text}
    return {"id": "tohum", "object": kind, "created": 0, "model": MODEL, "choices": [choice]}
