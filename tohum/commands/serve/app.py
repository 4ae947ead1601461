"""The server's routes, and who may use them.

    GET  /, /page/...            a page to write and chat with the model
    GET  /health, /props         llama.cpp's, for editors
    GET  /v1/models              the only model
    POST /v1/completions, /v1/chat/completions
    POST /infill, /completion

Without an API key only requests that name this machine as their host are answered, and only POSTs
of JSON: no web page can use the model through the user's browser.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tohum.commands.serve import llama_api, openai_api
from tohum.commands.serve.orders import Writer
from tohum.commands.serve.page_files import open_to_all, page_routes
from tohum.commands.serve.request_fields import BadRequest, RequestFields, read_body

HOSTS = ("127.0.0.1", "localhost", "[::1]")
LARGEST_REQUEST = 8 << 20  # bytes
SILENCE_SECONDS = 30.0  # how long a client may keep its request waiting for its end

log = logging.getLogger(__name__)

Answer = Callable[[Request], Awaitable[Response]]


def make_app(writer: Writer, api_key: str | None = None) -> Starlette:
    """Returns the application.

    Args:
        writer: has the model write.
        api_key: what each request must carry as a bearer token, but for /health and the page's
            files; None: the server is for this machine alone.
    """

    def post(read: Callable[[RequestFields], Any], api: Any) -> Answer:
        async def endpoint(request: Request) -> Response:
            asked = read(read_body(await _body(request)))
            if asked.stream:
                events: AsyncIterator[str] = api.stream(asked, writer)
                return StreamingResponse(events, media_type="text/event-stream")
            return await _unless_gone(request, api.answer(asked, writer))

        return endpoint

    completions = post(lambda fields: openai_api.read_question(fields, writer, False), openai_api)
    chat = post(lambda fields: openai_api.read_question(fields, writer, True), openai_api)
    infill = post(lambda fields: llama_api.read_infill(fields, writer), llama_api)
    completion = post(lambda fields: llama_api.read_completion(fields, writer), llama_api)

    async def model(request: Request) -> Response:
        if request.path_params["id"] != openai_api.MODEL:
            raise BadRequest(f"there is no model {request.path_params['id']}.", "model", 404)
        return JSONResponse(_model())

    routes = [
        *page_routes(writer),
        Route("/health", lambda request: JSONResponse({"status": "ok"})),
        Route("/props", lambda request: JSONResponse(llama_api.properties(writer))),
        Route("/v1/models", lambda request: JSONResponse({"object": "list", "data": [_model()]})),
        Route("/v1/models/{id:path}", model),
        Route("/v1/completions", completions, methods=["POST"]),
        Route("/v1/chat/completions", chat, methods=["POST"]),
        Route("/infill", infill, methods=["POST"]),
        Route("/completion", completion, methods=["POST"]),
    ]
    handlers: dict[Any, Any] = {
        BadRequest: lambda request, error: refusal(error.status, str(error), error.param),
        HTTPException: lambda request, error: refusal(
            error.status_code, f"{request.method} {request.url.path}: {error.detail}."
        ),
        ClientDisconnect: lambda request, error: Response(status_code=499),
        Exception: lambda request, error: refusal(500, "the model failed; see the server's log."),
    }
    app = Starlette(routes=routes, exception_handlers=handlers)
    app.add_middleware(Guard, api_key=api_key)
    return app


def _model() -> dict[str, Any]:
    return {"id": openai_api.MODEL, "object": "model", "created": 0, "owned_by": "you"}


def refusal(status: int, message: str, param: str | None = None) -> JSONResponse:
    """Returns an error in OpenAI's shape."""
    kind = "server_error" if status >= 500 else "invalid_request_error"
    error = {"message": message, "type": kind, "param": param, "code": None}
    unread = {"Connection": "close"} if status in (408, 413) else None  # the rest of the body
    return JSONResponse({"error": error}, status, unread)


async def _body(request: Request) -> bytes:
    """Returns the body, in chunks or of a length.

    Raises:
        BadRequest: it is too large, or does not come.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(SILENCE_SECONDS):
            async for piece in request.stream():
                body += piece
                if len(body) > LARGEST_REQUEST:
                    raise BadRequest(f"a request has at most {LARGEST_REQUEST:,} bytes.", None, 413)
    except TimeoutError:
        raise BadRequest(
            f"the body did not come within {SILENCE_SECONDS:g} s.", None, 408
        ) from None
    return bytes(body)


async def _unless_gone(request: Request, writing: Coroutine[Any, Any, dict[str, Any]]) -> Response:
    """Returns the answer, whose writing ends when the client leaves."""
    written = asyncio.ensure_future(writing)
    gone = asyncio.ensure_future(_disconnected(request))
    await asyncio.wait((written, gone), return_when=asyncio.FIRST_COMPLETED)
    gone.cancel()
    if written.done():
        return JSONResponse(written.result())
    written.cancel()
    with suppress(asyncio.CancelledError):
        await written
    raise ClientDisconnect


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


class Guard:
    """Lets a request in: from this machine, or with the key; JSON, and not too large."""

    def __init__(self, app: Any, api_key: str | None) -> None:
        self._app = app
        self._api_key = api_key

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """An ASGI application (https://asgi.readthedocs.io)."""
        if scope["type"] != "http":
            return
        refused = self._refused(Request(scope))
        await (refused or self._app)(scope, receive, send)

    def _refused(self, request: Request) -> Response | None:
        headers = request.headers
        if self._api_key is None:
            host = headers.get("host", "")
            name = host if host.endswith("]") else host.rpartition(":")[0] or host
            if name not in HOSTS:
                return refusal(403, f"the host must be one of {', '.join(HOSTS)}.")
        elif request.url.path != "/health" and not open_to_all(request.url.path):
            given = headers.get("authorization", "").removeprefix("Bearer ")
            if not secrets.compare_digest(given.encode(), self._api_key.encode()):
                return refusal(401, "the API key is missing or wrong: send Authorization: Bearer.")
        if request.method == "POST":
            if headers.get("content-type", "").partition(";")[0].strip() != "application/json":
                return refusal(400, "the Content-Type must be application/json.")
            if int(headers.get("content-length", 0)) > LARGEST_REQUEST:
                return refusal(413, f"a request has at most {LARGEST_REQUEST:,} bytes.")
        return None
