"""Loads the model and samples from it with transformers' own `generate`."""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, TextStreamer, set_seed
from transformers.utils import logging as transformers_logging

from stages.config import Generate
from stages.errors import UserError


def load_model(folder: Path) -> tuple[Any, Any]:
    """Returns the model, ready for inference, and its tokenizer.

    Raises:
        UserError: there is no trained model.
    """
    if not (folder / "model.safetensors").is_file():
        raise UserError(f"{folder} holds no trained model. Run `dvc repro` first.")
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    model: Any = AutoModelForCausalLM.from_pretrained(folder)
    if torch.cuda.is_available():
        model = model.to("cuda")
    return model.eval(), tokenizer


def stream_completion(model: Any, tokenizer: Any, options: Generate) -> None:
    """Writes the prompt and its continuation to standard output, as the tokens come."""
    print(options.prompt, end="", flush=True)
    _continue(
        model,
        tokenizer,
        options,
        TextStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True),
    )


def complete(model: Any, tokenizer: Any, options: Generate) -> str:
    """Returns the prompt and its continuation."""
    return options.prompt + str(
        tokenizer.decode(_continue(model, tokenizer, options), skip_special_tokens=True)
    )


@torch.inference_mode()
def _continue(
    model: Any, tokenizer: Any, options: Generate, streamer: TextStreamer | None = None
) -> torch.Tensor:
    """Returns the new ids.

    The text starts with <|endoftext|>, as every document of the training did, and keeps to the
    context that the model was trained on: a prompt that fills it is cut at its start, to half the
    context at most.
    """
    set_seed(options.seed)
    prompt = tokenizer.encode(options.prompt, add_special_tokens=False)
    room = model.config.max_position_embeddings - 1
    kept = min(len(prompt), max(room - options.max_new_tokens, room // 2))
    ids = torch.tensor(
        [[tokenizer.bos_token_id, *prompt[len(prompt) - kept :]]], device=model.device
    )
    sampling: dict[str, Any] = {"do_sample": False}
    if options.temperature > 0:
        sampling = {
            "do_sample": True,
            "temperature": options.temperature,
            "top_k": options.top_k,
            "top_p": options.top_p,
        }
    output = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=min(options.max_new_tokens, room - kept),
        pad_token_id=tokenizer.pad_token_id,
        streamer=streamer,
        **sampling,
    )
    assert isinstance(output, torch.Tensor)
    return output[0, ids.shape[1] :]
