"""Continue a prompt, fill in between two texts, or chat.

    tohum generate prompt="def "
    tohum generate prompt="import " max_new_tokens=50 temperature=0
    tohum generate prompt="def add(a, b):" suffix="    return c"   fills in between
    tohum generate chat=true                        a conversation in the terminal
    tohum generate chat=true prompt="What is 2+2?"  one answer

It prints the text of models/lm as it is generated. A value is taken as is after the first `=`:
quotes, commas and brackets in a prompt have no special meaning here, unlike in Hydra.
"""

import argparse
import sys
from contextlib import suppress
from pathlib import Path

from tohum.commands.arguments import OPTIONS_FILE, add_keys

NOT_USED = ("port",)  # a key of `tohum serve`


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the keys of conf/generate.yaml."""
    add_keys(parser, OPTIONS_FILE, NOT_USED)


def run(arguments: argparse.Namespace) -> None:
    """Prints the requested text; the values are checked before torch is imported."""
    from tohum.commands.generate.options import read_options

    options = read_options("generate", arguments.overrides, NOT_USED)
    from tohum.commands.generate.teaching import warn_without_conversations
    from tohum.commands.generate.terminal import converse, print_answer, print_completion
    from tohum.inference import load_language_model

    model = load_language_model(Path("models/lm"))
    if options.chat:
        warn_without_conversations(Path("metrics/encode.json"))
    with suppress(KeyboardInterrupt):  # the usual way to end; there is nothing to resume
        if not options.chat:
            print_completion(model, options)
        elif any(argument.startswith("prompt=") for argument in arguments.overrides):
            print_answer(model, [{"role": "user", "content": options.prompt}], options.sampling)
        else:
            converse(model, options.sampling, sys.stdin)
