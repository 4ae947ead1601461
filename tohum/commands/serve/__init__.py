"""Serve the model: a page, editors, and an API like OpenAI's.

    tohum serve
    tohum serve --port 0 temperature=0
    tohum serve --host 0.0.0.0 --api-key SECRET   for other machines too
    tohum serve --backend gguf                    models/lm.gguf, run by llama.cpp

It speaks llama.cpp's and OpenAI's APIs on 127.0.0.1, until Ctrl-C. A value that a request leaves
out is taken from the command line or conf/generate.yaml.
"""

import argparse
from pathlib import Path

from tohum.commands.arguments import OPTIONS_FILE, add_keys

BACKENDS = ("tohum", "gguf")
NOT_USED = ("prompt", "suffix", "chat")  # they come with a request


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options, and the keys of conf/generate.yaml."""
    parser.add_argument("--port", metavar="NUMBER", help="the same as port=NUMBER")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    parser.add_argument("--api-key", metavar="KEY", help="what requests must carry")
    parser.add_argument(
        "--backend",
        choices=BACKENDS,
        default="tohum",
        help="what runs the model: this project, or llama.cpp the exported file (%(default)s)",
    )
    add_keys(parser, OPTIONS_FILE, NOT_USED)


def run(arguments: argparse.Namespace) -> None:
    """Serves until Ctrl-C; the values are checked before torch is imported."""
    from tohum.commands.generate.options import read_options

    port = [] if arguments.port is None else [f"port={arguments.port}"]
    options = read_options("serve", [*arguments.overrides, *port], NOT_USED)
    from tohum.commands.serve.server import serve
    from tohum.inference import load_exported_model, load_language_model

    lm = Path("models/lm")
    if arguments.backend == "gguf":
        model = load_exported_model(lm.with_suffix(".gguf"), lm)
    else:
        model = load_language_model(lm)
    serve(model, options, arguments.host, arguments.api_key)
