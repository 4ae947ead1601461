"""Say what each stage will take: time, memory, disk and requests.

    tohum estimate                                   the configuration as it is
    tohum estimate source=local source.path=~/code   ... with overrides, as in params.yaml
    tohum estimate text=25GB tokenizer.vocab_size=32000   for so much text, whatever the source
    tohum estimate bandwidth=20                      megabits a second of your network

The sizes come from the files, the installed packages or the Hub. The speeds are measured here: the
stages run on a small sample of text, and training takes a few steps with the configured model. What
was measured is kept in .work/estimate; `--again` measures it anew, best with nothing else running.
Nothing else is written. It exits with 1 if this machine lacks the memory or the disk.
"""

import argparse
from typing import Any

from tohum.commands.arguments import add_overrides

OWN = ("text=", "bandwidth=")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the overrides, --json and --again."""

    def complete(prefix: str, **_: Any) -> list[str]:
        from tohum.commands.arguments import complete_for_hydra

        offered = [*OWN, *complete_for_hydra(prefix)]
        return [word for word in offered if word.startswith(prefix)]

    add_overrides(
        parser, "text=SIZE, bandwidth=MEGABITS, or an override as in params.yaml", complete
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--again", action="store_true", help="measure this machine anew")


def run(arguments: argparse.Namespace) -> int:
    """Prints the estimate; returns 1 if this machine lacks something."""
    import json

    from tohum.commands.estimate.request import read_request
    from tohum.commands.estimate.table import as_json, as_lines
    from tohum.commands.estimate.total import estimate

    found = estimate(read_request(arguments.overrides), again=arguments.again)
    if arguments.json:
        print(json.dumps(as_json(found), indent=2))
    else:
        print("\n".join(as_lines(found)))
    return 1 if found.lacking else 0
