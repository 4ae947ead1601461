"""Continues a prompt with models/lm and writes the text as it comes.

    tohum generate prompt="def "
    tohum generate prompt="import " max_new_tokens=50 temperature=0
    tohum generate prompt="def add(a, b):" suffix="    return c"   fills in between
    tohum generate chat=true                        a conversation in the terminal
    tohum generate chat=true prompt="What is 2+2?"  one answer
    tohum generate serve=true                       a page, and an API of OpenAI's shape

conf/generate.yaml has the keys and their defaults. A value is taken as it stands after the first
`=`: quotes, commas and brackets of a prompt mean nothing here, as they would to Hydra.
"""

import sys
from contextlib import suppress
from pathlib import Path

from tohum.commands.generate.options import read_options
from tohum.process import run_stage


def main() -> None:
    arguments = sys.argv[1:]
    options = read_options(arguments)
    # torch takes seconds to import: a mistake in the values shows first
    from tohum.commands.generate.completion import load_model, stream_completion
    from tohum.commands.generate.conversation import answer, converse
    from tohum.commands.generate.serving import serve

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
