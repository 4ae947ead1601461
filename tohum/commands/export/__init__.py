"""Write models/lm as models/lm.gguf, for llama.cpp.

    tohum export                     as it was trained
    tohum export --dtype float16     half the size

The file is for llama.cpp and programs built on it. Run this once the model is trained. It needs the
package gguf, from the extra of that name.
"""

import argparse
from pathlib import Path

DTYPES = ("float32", "float16")
OUT = Path("models/lm.gguf")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the option for the weights' type."""
    parser.add_argument("--dtype", choices=DTYPES, default="float32", help="(%(default)s)")


def run(arguments: argparse.Namespace) -> None:
    """Writes the file and prints its size."""
    from tohum.commands.export.gguf_file import write_gguf
    from tohum.commands.printing import tell

    for line in write_gguf(Path("models/lm"), OUT, arguments.dtype):
        tell(line)
