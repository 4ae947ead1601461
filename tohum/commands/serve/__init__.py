"""Serve the model: a page, and an API like OpenAI's.

    tohum serve
    tohum serve port=0 temperature=0

It listens only on 127.0.0.1, until Ctrl-C. A value that a request leaves out is taken from the
command line or conf/generate.yaml.
"""

import argparse
from contextlib import suppress
from pathlib import Path

from tohum.commands.arguments import OPTIONS_FILE, add_keys

NOT_USED = ("prompt", "suffix", "chat")  # they come with a request


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the keys of conf/generate.yaml."""
    add_keys(parser, OPTIONS_FILE, NOT_USED)


def run(arguments: argparse.Namespace) -> None:
    """Serves until Ctrl-C; the values are checked before torch is imported."""
    from tohum.commands.generate.options import read_options

    options = read_options("serve", arguments.overrides, NOT_USED)
    from tohum.commands.serve.server import serve
    from tohum.inference import load_language_model

    model = load_language_model(Path("models/lm"))
    with suppress(KeyboardInterrupt):  # the usual way to end
        serve(model, options)
