"""Say what a run takes, before it: time, memory, disk, requests.

    tohum estimate                                       the configuration as it is
    tohum estimate source=local source.path=/home/me/code tokenizer.vocab_size=32000
    tohum estimate model=one_hour train=one_hour --json
    tohum estimate --bytes 25GB tokenizer.vocab_size=32000   for more data of the same kind
    tohum estimate --minutes 30                          which model to train in half an hour

It reads conf/ and params.yaml, and the overrides given here on top. Sizes are those of the files or
of the Hub's list. Speeds are measured on a sample of the data and a few training steps, which takes
about half a minute the first time and is kept in .work/estimate. Times are those of this machine
when nothing else is running. It changes nothing else, and exits with 1 if this machine lacks the
disk, the memory or the device.
"""

import argparse
import json

from tohum.commands.arguments import add_overrides, complete_for_hydra


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the overrides and the form of the answer."""
    parser.add_argument("--json", action="store_true", help="print JSON: bytes and seconds")
    parser.add_argument(
        "--bytes", metavar="SIZE", help="as if the source had so much, such as 25GB"
    )
    parser.add_argument(
        "--minutes",
        metavar="M",
        help="choose depth, batch and steps to fit M minutes of training",
    )
    add_overrides(parser, "an override as in params.yaml", complete_for_hydra)


def run(arguments: argparse.Namespace) -> int:
    """Prints the estimate and returns the exit code: 1 if the run does not fit on this machine."""
    from functools import partial
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from stages.compose.corrections import to_paste
    from stages.pretokens.config import bytes_of
    from tohum.commands.estimate.cost_table import table
    from tohum.commands.estimate.dial import minutes_of, overrides_for, pace, replaced
    from tohum.commands.estimate.prediction import predict
    from tohum.commands.inspect import terminal_width
    from tohum.commands.printing import tell

    as_if = None if arguments.bytes is None else bytes_of(arguments.bytes, "--bytes")
    overrides, chosen = list(arguments.overrides), list[str]()
    with TemporaryDirectory(prefix="tohum-estimate-") as name:
        folder = Path(name)
        if arguments.minutes is not None:
            minutes = minutes_of(arguments.minutes)
            chosen = overrides_for(minutes, overrides, partial(pace, folder=folder))
        prediction = predict([*overrides, *chosen], as_if, folder=folder)
    if arguments.json:
        print(json.dumps(prediction.as_json(), indent=2, default=str))
    else:
        if chosen:
            said = (
                f"For about {arguments.minutes} minutes of training on this machine, paste into "
                "params.yaml:"
            )
            tell(to_paste(replaced(prediction.overrides, chosen), said))
        for line in table(prediction, max(120, terminal_width())):
            tell(line)
    return 0 if prediction.fits else 1
