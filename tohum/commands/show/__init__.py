"""Show what a tokenizer and a model do, as text and as a picture.

    tohum show tokens "def f(x):"          a text in tokens, with their ids
    tohum show tokens "Hi" answer="Hello"  a conversation, and what the loss counts in it
    tohum show merges                      the first merges of the vocabulary
    tohum show merges "import"             how a text's tokens come about, merge by merge
    tohum show network "def f("            the numbers of a text on their way through the model
    tohum show attention "a = 1; b = a"    which tokens each token looks at
    tohum show next "import "              the probabilities of the next token
    tohum show curves                      the loss on training and validation texts
    tohum show scaling                     what more of something brought in the last sweep

Each prints to the terminal and writes a picture to the file in svg=..., for any browser. It reads
models/tokenizer, models/lm, plots/train.csv and outputs/sweep. A text is taken as is; one with a
key's name and = at its start is written as text="svg=...".
"""

import argparse
import shutil
from pathlib import Path
from typing import Any

from tohum.commands.arguments import add_overrides, commented_keys
from tohum.project import project_path
from tohum.translation import translated

SHOW_FILE = Path("conf/show.yaml")
PICTURES = {  # and its module, whose `show` returns the lines and the drawing
    "tokens": "token_chips",
    "merges": "merge_steps",
    "network": "network_flow",
    "attention": "attention_map",
    "next": "next_tokens",
    "curves": "training_curves",
    "scaling": "scaling_curve",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the name of a picture, its text, and the keys of conf/show.yaml."""
    parser.usage = "tohum show [-h] PICTURE [TEXT] [KEY=VALUE ...]"
    keys = commented_keys(project_path(SHOW_FILE))
    if keys:
        head = translated(f"keys, as in {SHOW_FILE.as_posix()}:")
        parser.epilog = "\n".join([head, *keys.values()])

    def complete(prefix: str, **_: Any) -> list[str]:
        offered = [*PICTURES, *(f"{key}=" for key in keys)]
        return [word for word in offered if word.startswith(prefix)]

    add_overrides(parser, f"one of {', '.join(PICTURES)}; its text; keys and values", complete)


def run(arguments: argparse.Namespace) -> None:
    """Prints what was asked for, and writes its picture."""
    from importlib import import_module

    from tohum.commands.show.lettering import say
    from tohum.commands.show.view_options import read_view
    from tohum.files import atomic_write

    picture, options = read_view(arguments.overrides, SHOW_FILE)
    module = import_module(f"{__name__}.{PICTURES[picture]}")
    lines, drawing = module.show(options, shutil.get_terminal_size().columns)
    say(lines)
    if options.svg is not None:
        path = Path(options.svg)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path, "w") as file:
            file.write(drawing.svg())
        say(["", f"picture: {path}"])
