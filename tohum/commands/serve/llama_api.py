"""llama.cpp's API, which editors speak: /infill, /completion, /health and /props.

https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md. llama.vim and
llama.vscode ask /infill; Tabby asks /completion with the marks written out.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

from tohum.commands.serve.endings import BlockEnd, TimeLimit
from tohum.commands.serve.openai_api import MODEL
from tohum.commands.serve.orders import (
    Order,
    OrderedText,
    Writer,
    event,
    marked_middle,
    stop_endings,
)
from tohum.commands.serve.request_fields import RequestFields
from tohum.decoding import Sampling
from tohum.formats.chat_template import CHAT_TEMPLATE
from tohum.inference import Ending

LIMITS = ("n_predict", "max_tokens")
USUAL_TOKENS = 128  # that an editor asks for after it has only had the prompt read
MOST_EXTRA = 1000
MOST_MILLISECONDS = 600_000
MOST_FIELDS = 100
# What each name in `samplers` switches on, and its value when it is not there.
SAMPLERS = {"top_k": 0, "top_p": 1.0, "min_p": 0.0}
UNABLE = ("grammar", "json_schema", "image_data", "lora")


@dataclass
class LlamaRequest:
    """A request: the text that it orders, and how to answer."""

    order: Order
    stream: bool
    response_fields: list[str]


def read_infill(fields: RequestFields, writer: Writer) -> LlamaRequest:
    """Returns what a request to /infill asks for: what goes between two texts.

    Raises:
        BadRequest: a field is wrong.
    """
    prefix = fields.text("input_prefix") + fields.text("prompt")
    suffix = fields.text("input_suffix")
    near = "".join(
        f"{text.rstrip()}\n"
        for each in fields.objects("input_extra", MOST_EXTRA)
        if (text := each.text("text")).strip()
    )
    endings: list[Ending] = []
    if "n_indent" in fields:
        endings.append(BlockEnd(fields.whole("n_indent", 0, 0, 1000), suffix))
    return _request(fields, writer, near + prefix, suffix, endings, temperature=0.0, in_file=True)


def read_completion(fields: RequestFields, writer: Writer) -> LlamaRequest:
    """Returns what a request to /completion asks for: what comes after a prompt, or goes between
    two texts if the prompt has the marks of fill in the middle.

    Raises:
        BadRequest: a field is wrong.
    """
    text = fields.text("prompt")
    prefix, suffix = marked_middle(text) or (text, "")
    in_file = "copying" in fields
    return _request(fields, writer, prefix, suffix, [], writer.defaults.temperature, in_file)


def _request(
    fields: RequestFields,
    writer: Writer,
    prefix: str,
    suffix: str,
    endings: list[Ending],
    temperature: float,
    in_file: bool,
) -> LlamaRequest:
    for name in UNABLE:
        if fields.values.get(name):
            raise fields.unsupported(name)
    sampling = _sampling(fields, writer, temperature)
    fields.number("t_max_prompt_ms", 0, -1, MOST_MILLISECONDS)
    most = fields.number("t_max_predict_ms", 0, -1, MOST_MILLISECONDS)
    if most > 0:
        endings.append(TimeLimit(most / 1000))
    endings += stop_endings(fields)
    model = writer.model
    # A text without a suffix is a document that goes on: the model has seen far more of those.
    planned = replace(sampling, max_new_tokens=sampling.max_new_tokens or USUAL_TOKENS)
    if suffix.strip():
        prompt = model.middle(prefix, suffix, planned)
    else:
        prompt = model.text(prefix, planned, in_file)
    order = Order(prompt, sampling, endings, warm=sampling.max_new_tokens == 0)
    return LlamaRequest(order, fields.flag("stream"), fields.texts("response_fields", MOST_FIELDS))


def _sampling(fields: RequestFields, writer: Writer, temperature: float) -> Sampling:
    """Returns how to draw; a sampler that `samplers` does not name is off."""
    sampling = writer.sampling(fields, LIMITS)
    if "temperature" not in fields:
        sampling = replace(sampling, temperature=temperature)
    if isinstance(fields.values.get("samplers"), list):
        named = fields.texts("samplers", MOST_FIELDS)
        off: dict[str, Any] = {name: value for name, value in SAMPLERS.items() if name not in named}
        sampling = replace(sampling, **off)
    return sampling


async def answer(request: LlamaRequest, writer: Writer) -> dict[str, Any]:
    """Returns the whole answer."""
    text = await writer.whole(request.order)
    return _chosen(_result(text, text.content), request.response_fields)


async def stream(request: LlamaRequest, writer: Writer) -> AsyncIterator[str]:
    """Yields the answer as server-sent events."""
    text = writer.begin(request.order)
    async for piece in writer.pieces(text):
        yield event({"index": 0, "content": piece.text, "stop": False})
    yield event(_chosen(_result(text, ""), request.response_fields))


def _chosen(result: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """Returns the fields that are asked for, `timings/prompt_n` for one inside another."""
    if not names:
        return result
    chosen = {}
    for name in names:
        value: Any = result
        for part in name.split("/"):
            value = value.get(part) if isinstance(value, dict) else None
        if value is not None:
            chosen[name] = value
    return chosen


def _result(text: OrderedText, content: str) -> dict[str, Any]:
    job, continuation = text.job, text.continuation
    read = len(text.order.prompt.ids) - job.cached
    stop_type = "limit" if not continuation.ended else "word" if text.stop_string else "eos"
    return {
        "index": 0,
        "content": content,
        "stop": True,
        "stop_type": stop_type,
        "stopping_word": text.stop_string or "",
        "model": MODEL,
        "id_slot": 0,
        "tokens_predicted": continuation.written,
        "tokens_evaluated": len(text.order.prompt.ids),
        "tokens_cached": job.cached,
        "has_new_line": "\n" in text.content,
        "truncated": False,
        "timings": {
            **_timing("prompt", read, job.prompt_seconds),
            **_timing("predicted", continuation.written, job.writing_seconds),
            "cache_n": job.cached,
        },
    }


def _timing(name: str, count: int, seconds: float) -> dict[str, float]:
    milliseconds = 1000 * seconds
    return {
        f"{name}_n": count,
        f"{name}_ms": milliseconds,
        f"{name}_per_token_ms": milliseconds / count if count else 0.0,
        f"{name}_per_second": count / seconds if seconds else 0.0,
    }


def properties(writer: Writer) -> dict[str, Any]:
    """Returns what /props tells about the model."""
    return {
        "default_generation_settings": {"n_ctx": writer.model.context, "id": 0},
        "total_slots": 1,
        "model_path": MODEL,
        "model_alias": MODEL,
        "chat_template": CHAT_TEMPLATE,
        "modalities": {"vision": False, "audio": False},
        "build_info": "tohum",
    }
