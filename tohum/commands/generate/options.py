"""The command line of generate: key=value on top of conf/generate.yaml."""

import yaml

from tohum.commands.generate.config import GENERATE_FILE, Generate
from tohum.config.sections import read_section
from tohum.errors import UserError


def read_options(arguments: list[str]) -> Generate:
    """Returns the options that the arguments ask for.

    Raises:
        UserError: an argument is not key=value, or its key or value is not allowed, or two of them
            contradict each other.
    """
    values = yaml.safe_load(GENERATE_FILE.read_text(encoding="utf-8"))
    for argument in arguments:
        key, equal, value = argument.partition("=")
        if not equal:
            raise UserError(
                f"'{argument}' is not key=value. Write, for example: prompt=\"def \" "
                "max_new_tokens=100"
            )
        values[key] = value
    prompt, suffix = values.pop("prompt"), values.pop("suffix")
    options = read_section("generate", Generate, {"prompt": "", "suffix": None, **values})
    # The texts are kept from OmegaConf, for which ${...} would be an interpolation.
    options.prompt, options.suffix = prompt, suffix
    if options.chat and suffix is not None:
        raise UserError("chat=true and suffix=... are two modes: leave one of them out.")
    return options
