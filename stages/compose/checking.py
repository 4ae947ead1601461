"""All sections of the configuration: which ones exist, and whether their values agree."""

from pkgutil import resolve_name
from types import SimpleNamespace
from typing import Any

from tohum.config.sections import nearest, read_section
from tohum.errors import UserError
from tohum.sources.config import read_source

# The dataclass of each section, next to the code it configures. By name, since no stage imports
# another. Those whose values must agree with each other or with another section's have a method
# `check`.
SECTIONS = {
    "jsonl": "stages.jsonl.config:Jsonl",
    "pretokenizer": "stages.pretokens.config:Pretokenizer",
    "tokenizer": "stages.tokenizer.config:Tokenizer",
    "encode": "stages.encode.config:Encode",
    "model": "tohum.model.config:Model",
    "train": "stages.train.config:Train",
    "evaluate": "stages.evaluate.config:Evaluate",
}


def check(values: Any) -> SimpleNamespace:
    """Returns the checked sections, by name, from plain nested values.

    Raises:
        UserError: an unknown or missing key, a wrong type, or a value that is not allowed; it names
            the key.
    """
    known = ["source", *SECTIONS]
    if not isinstance(values, dict):
        raise UserError(
            f"the configuration is {values!r}, expected the sections {', '.join(known)}."
        )
    for name in values:
        if name not in known:
            raise UserError(f"unknown section '{name}'.{nearest(str(name), known)}")
    for name in known:
        if name not in values:
            raise UserError(
                f"the section '{name}' is missing: add it to conf/config.yaml's defaults list, or "
                f"remove the override that deletes it (~{name})."
            )
    config = SimpleNamespace(source=read_source(values["source"]))
    for name, place in SECTIONS.items():
        setattr(config, name, read_section(name, resolve_name(place), values[name]))
    for name in SECTIONS:
        section = getattr(config, name)
        if hasattr(section, "check"):
            section.check(config)
    return config
