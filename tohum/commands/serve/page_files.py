"""The page: its files in page/, the headers that keep it to this server, and what it has to know.

    GET /                     page/page.html
    GET /page/NAME            a file that it asks for
    GET /page/facts           the model's context and the default settings
    GET /page/conversations   whether the model was trained on conversations

The page may load from this server and connect to it, and nothing else: what a model writes can
neither run as a script nor fetch anything.
"""

from functools import cache
from pathlib import Path

import torch
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from tohum.cached_decoder import Reader
from tohum.commands.serve.orders import Writer
from tohum.decoding import Sampling
from tohum.formats.special_tokens import END_ID, SPECIAL_TOKENS
from tohum.inference import LanguageModel

FOLDER = Path(__file__).parent / "page"
# Not guessed from the names: Windows' registry may say text/plain, and a module must be JavaScript.
TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",  # a new version of the server brings a new page
}
FACTS = ("/page/facts", "/page/conversations")
ANSWER_TOKENS = 48  # of the answer in which an end is looked for
LEAST_END = 0.01  # the probability that counts as expecting it


def page_routes(writer: Writer) -> list[Route]:
    """Returns the routes of the page."""
    holds = cache(holds_conversations)

    def facts(request: Request) -> Response:
        given = writer.defaults
        settings = {
            "temperature": given.temperature,
            "top_p": given.top_p,
            "max_tokens": given.max_new_tokens,
            "seed": given.seed,
        }
        answer = {"context": writer.model.context, "settings": settings}
        return JSONResponse(answer, headers=HEADERS)

    def conversations(request: Request) -> Response:  # in a thread of its own, so it may take long
        return JSONResponse({"conversations": holds(writer.model)}, headers=HEADERS)

    return [
        Route("/", _file),
        Route(FACTS[0], facts),
        Route(FACTS[1], conversations),
        Route("/page/{name}", _file),
    ]


def open_to_all(path: str) -> bool:
    """Returns whether a path is part of the page itself, which tells nothing about the model."""
    return path == "/" or (path.startswith("/page/") and path not in FACTS)


async def _file(request: Request) -> Response:
    path = FOLDER / request.path_params.get("name", "page.html")
    if path.suffix not in TYPES or path.parent != FOLDER or not path.is_file():
        raise HTTPException(404)
    return FileResponse(path, headers=HEADERS, media_type=TYPES[path.suffix])


def holds_conversations(model: LanguageModel) -> bool:
    """Returns whether the model can end an answer, which only conversations teach."""
    greeting = [{"role": "user", "content": "Hello"}]
    return ends_answer(model.decoder.passage(), model.chat(greeting, Sampling(ANSWER_TOKENS)).ids)


def ends_answer(reader: Reader, question: list[int]) -> bool:
    """Returns whether <|end|> is expected in an answer, written with the likeliest token each time.

    Nothing but an assistant's words ends in <|end|>, so a model that never saw one does not expect
    it: after 700 steps on code its highest probability was 0.000001, after 400 steps on questions
    and answers 0.997.
    """
    ids = list(question)
    for _ in range(min(ANSWER_TOKENS, reader.context + 1 - len(ids))):
        chances = torch.softmax(reader.logits(ids), dim=-1)
        if chances[END_ID] >= LEAST_END:
            return True
        likeliest = int(chances.argmax())
        if likeliest < len(SPECIAL_TOKENS):
            return False
        ids.append(likeliest)
    return False
