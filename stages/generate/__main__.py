"""Continues a prompt with models/lm and writes the text as it comes.

    python -m stages.generate prompt="def "
    python -m stages.generate prompt="import " max_new_tokens=50 temperature=0
    python -m stages.generate prompt="def add(a, b):" suffix="    return c"   fills in between
    python -m stages.generate chat=true                        a conversation in the terminal
    python -m stages.generate chat=true prompt="What is 2+2?"  one answer
    python -m stages.generate serve=true                       a page, and an API of OpenAI's shape

conf/generate.yaml has the keys and their defaults. A value is taken as it stands after the first
`=`: quotes, commas and brackets of a prompt mean nothing here, as they would to Hydra.
"""

import sys
from contextlib import suppress
from pathlib import Path

from stages.generate.options import read_options
from stages.process import run_stage


def main() -> None:
    arguments = sys.argv[1:]
    options = read_options(arguments)
    # torch takes seconds to import: a mistake in the values shows first
    from stages.generate.completion import load_model, stream_completion
    from stages.generate.conversation import answer, converse
    from stages.generate.serving import serve

    writer = load_model(Path("models/lm"))
    with suppress(KeyboardInterrupt):  # the usual way to end; there is nothing to go on with
        if options.serve:
            serve(writer, options)
        elif not options.chat:
            stream_completion(writer, options)
        elif any(argument.startswith("prompt=") for argument in arguments):
            answer(writer, [{"role": "user", "content": options.prompt}], options)
        else:
            converse(writer, options)


if __name__ == "__main__":
    if sys.argv[1:] in (["-h"], ["--help"]):
        print(__doc__)
        sys.exit()
    run_stage("generate", main)
