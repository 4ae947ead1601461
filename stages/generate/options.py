"""The command line of generate: key=value on top of conf/generate.yaml."""

import yaml

from stages.config import GENERATE_FILE, Generate
from stages.errors import UserError
from stages.sections import read_section


def read_options(arguments: list[str]) -> Generate:
    """Returns the options that the arguments ask for.

    Raises:
        UserError: an argument is not key=value, or its key or value is not allowed.
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
    prompt = values.pop("prompt")
    options = read_section("generate", Generate, {"prompt": "", **values})
    options.prompt = (
        prompt  # kept from OmegaConf, for which ${...} in a prompt would be an interpolation
    )
    return options
