"""The model card: README.md next to the weights, from the figures and facts of the training.

The Hugging Face Hub reads the front matter (https://huggingface.co/docs/hub/model-cards): a license
if all documents have the same one, and the datasets that are on the Hub.
"""

from collections.abc import Set
from typing import Any

import yaml

from tohum.licenses import by_expression

HUB_LICENSES = frozenset(  # of https://huggingface.co/docs/hub/repositories-licenses
    {"0bsd", "afl-3.0", "agpl-3.0", "apache-2.0", "artistic-2.0", "bsd-2-clause", "bsd-3-clause"}
    | {"bsl-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc0-1.0", "epl-2.0", "eupl-1.2", "gpl-2.0"}
    | {"gpl-3.0", "isc", "lgpl-2.1", "lgpl-3.0", "mit", "mpl-2.0", "postgresql", "unlicense"}
    | {"wtfpl", "zlib"}
)

CONVERSATION = "conversation"
# What the encode stage calls a language, and is none of programming.
PROSE = {CONVERSATION, "HTML", "JSON", "Markdown", "TeX", "Text", "XML", "YAML", "other"}

TEXT_PROMPT = 'ids = tokenizer("<|endoftext|>{}", return_tensors="pt")'
CHAT_PROMPT = """\
messages = [{"role": "user", "content": "Your question"}]
ids = tokenizer.apply_chat_template(
    messages, add_generation_prompt=True, return_dict=True, return_tensors="pt"
)"""

PROMPTS = """\
Every training document began with `<|endoftext|>`, so a prompt should too.

Prompts by purpose, with the token that ends the text or answer in brackets:

- to continue a text (`<|endoftext|>`): `<|endoftext|>` and the text.
- to fill in (`<|endoftext|>`): `<|endoftext|><|fim_prefix|><|fim_suffix|>`, the text after,
  `<|fim_middle|>`, the text before. Only a model trained with a share of such text can do this.
- to chat (`<|end|>`): `tokenizer.apply_chat_template(messages, add_generation_prompt=True)`. Only a
  model trained on conversations can do this.

"""


def model_card(figures: dict[str, Any], facts: dict[str, Any], meta: dict[str, Any]) -> str:
    """Returns the card as Markdown.

    Args:
        figures: metrics/evaluate.json.
        facts: models/weights/facts.json.
        meta: data/tokens/meta.json; its `provenance` has sources, licenses and
            raw_manifest_sha256, and may be missing.
    """
    provenance = meta.get("provenance") or {}
    languages = set(figures.get("by_language") or ())
    values = front_matter(provenance, languages)
    front = yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
    return (
        f"---\n{front}---\n# A small language model, trained from scratch\n\n"
        + _measured(figures)
        + _breakdown("source", figures.get("by_source"))
        + _breakdown("language", figures.get("by_language"))
        + _data(provenance, meta)
        + _use(languages)
        + PROMPTS
        + _limits(facts["model"]["context_length"], languages)
        + _configuration(facts)
    )


def front_matter(provenance: dict[str, Any], languages: Set[str]) -> dict[str, Any]:
    """Returns what the Hub reads.

    Args:
        provenance: of data/tokens/meta.json.
        languages: of the validation documents, as the encode stage calls them. Which language
            people speak in a text is not known, so only code is named.
    """
    names = [*by_expression(provenance.get("licenses") or {})]
    datasets = [
        source["repo_id"]
        for source in (provenance.get("sources") or {}).values()
        if "repo_id" in source
    ]
    license = _hub_license(names[0]) if len(names) == 1 else None
    code = ["code"] if languages - PROSE else []
    talks = ["conversational"] if CONVERSATION in languages else []
    return {
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        **({"language": code} if code else {}),
        "tags": [*code, *talks, "trained-from-scratch"],
        **({"license": license} if license else {}),
        **({"datasets": list(dict.fromkeys(datasets))} if datasets else {}),
    }


def _hub_license(name: str) -> str | None:
    """Returns the Hub's name for an SPDX expression; the Hub has no "only" or "or later"."""
    found = name.lower().removesuffix("-only").removesuffix("-or-later")
    return found if found in HUB_LICENSES else None


def _measured(figures: dict[str, Any]) -> str:
    rows = {
        "parameters": f"{figures['parameters']:,}",
        "bits per byte on the validation documents": f"{figures['bits_per_byte']:.4f}",
        "validation documents, bytes": f"{figures['val_documents']:,}, {figures['val_bytes']:,}",
        "training steps, tokens, epochs": f"{figures['steps']:,}, {figures['tokens']:,}, "
        f"{figures['epochs']}",
        "trained on": f"{figures['processor']}, {figures['threads']} threads",
    }
    if "parse_share" in figures:
        rows["completions that are still Python"] = f"{figures['parse_share']:.0%}"
    return _table("fact", "value", rows)


def _breakdown(kind: str, figures: dict[str, float] | None) -> str:
    if not figures:
        return ""
    rows = {name: f"{value:.4f}" for name, value in figures.items()}
    return _table(f"{kind} of the validation documents", "bits per byte", rows)


def _data(provenance: dict[str, Any], meta: dict[str, Any]) -> str:
    text = "## Data\n\n"
    for name, source in (provenance.get("sources") or {}).items():
        rows = {
            key: f"{value:,}" if isinstance(value, int) else str(value)
            for key, value in source.items()
            if isinstance(value, str | int)
        }
        text += _table(f"source {name}", "value", rows)
    licenses = {
        name: f"{group.documents:,} documents, {group.bytes:,} bytes"
        for name, group in by_expression(provenance.get("licenses") or {}).items()
    }
    if licenses:
        text += _table("license", "of the training data", licenses)
    hashes = {
        "raw manifest": provenance.get("raw_manifest_sha256"),
        "JSONL manifest": meta.get("jsonl_manifest_sha256"),
        "tokenizer": meta.get("tokenizer_sha256"),
    }
    rows = {name: f"`{value}`" for name, value in hashes.items() if value}
    return text + (_table("SHA-256 of", "value", rows) if rows else "")


def _use(languages: Set[str]) -> str:
    """Returns lines of Python that load the model and prompt it with what it was trained on."""
    prompt = TEXT_PROMPT.format("def " if languages - PROSE else "How a text begins")
    if CONVERSATION in languages and not languages - PROSE:
        prompt = CHAT_PROMPT
    return f"""## Use

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("models/lm")
model = AutoModelForCausalLM.from_pretrained("models/lm")
{prompt}
print(tokenizer.decode(model.generate(**ids, max_new_tokens=50)[0]))
```

"""


def _limits(context_length: int, languages: Set[str]) -> str:
    likeness = "code" if languages - PROSE else "its training texts"
    return f"""## Limits

- It sees {context_length} tokens at once, and knows nothing beyond its training data.
- It is small: what it writes looks like {likeness} but is often wrong. Nobody has checked it.
- It was not trained to refuse instructions, nor to follow them unless its data has conversations.
- It may repeat passages of its training data; their licenses then apply.
- transformers reads the text of a special token in a prompt or message as that token.

"""


def _configuration(facts: dict[str, Any]) -> str:
    rows = {
        f"{section}.{key}": str(value)
        for section in ("model", "train")
        for key, value in facts[section].items()
    }
    return (
        "## Configuration\n\n"
        + _table("key", "value", rows)
        + "The whole configuration is in params.lock.yaml, and the hash of every input and "
        "output is in\ndvc.lock, at the commit that made this model.\n"
    )


def _table(left: str, right: str, rows: dict[str, str]) -> str:
    lines = [f"| {left} | {right} |", "|---|---|"]
    lines += [f"| {_cell(name)} | {_cell(value)} |" for name, value in rows.items()]
    return "\n".join(lines) + "\n\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
