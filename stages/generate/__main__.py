"""Continues a prompt with models/lm and writes the text as it comes.

    python -m stages.generate prompt="def "
    python -m stages.generate prompt="import " max_new_tokens=50 temperature=0

conf/generate.yaml has the keys and their defaults. A value is taken as it stands after the first
`=`: quotes, commas and brackets of a prompt mean nothing here, as they would to Hydra.
"""

import sys
from pathlib import Path

from stages.generate.options import read_options
from stages.process import run_stage


def main() -> None:
    options = read_options(sys.argv[1:])
    from stages.generate.completion import (
        load_model,
        stream_completion,
    )  # torch takes seconds to import

    stream_completion(*load_model(Path("models/lm")), options)


if __name__ == "__main__":
    if sys.argv[1:] in (["-h"], ["--help"]):
        print(__doc__)
        sys.exit()
    run_stage("generate", main)
