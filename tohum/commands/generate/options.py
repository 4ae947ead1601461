"""The command line of generate and serve: key=value on top of conf/generate.yaml."""

from collections.abc import Collection

import yaml

from tohum.commands.arguments import OPTIONS_FILE, key_values
from tohum.commands.generate.config import Generate
from tohum.config.sections import read_section
from tohum.errors import UserError


def read_options(command: str, overrides: list[str], not_used: Collection[str] = ()) -> Generate:
    """Returns the options with the overrides applied.

    Args:
        command: its name, for messages.
        overrides: each key=value.
        not_used: keys that have no meaning for the command.

    Raises:
        UserError: an override is not key=value, its key or value is not allowed, or two of them
            contradict each other.
    """
    values = yaml.safe_load(OPTIONS_FILE.read_text(encoding="utf-8"))
    for key, value in key_values(overrides, "temperature=0 max_new_tokens=100"):
        if key in not_used:
            raise UserError(f"'{key}' has no meaning for `tohum {command}`: leave it out.")
        values[key] = value
    prompt, suffix = values.pop("prompt"), values.pop("suffix")
    options = read_section(command, Generate, {"prompt": "", "suffix": None, **values})
    # The texts bypass OmegaConf, for which ${...} would be an interpolation.
    options.prompt, options.suffix = prompt, suffix
    if options.chat and suffix is not None:
        raise UserError("chat=true and suffix=... are two modes: leave one of them out.")
    return options
