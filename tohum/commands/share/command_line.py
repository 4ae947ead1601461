"""The commands of `tohum share` and their arguments."""

import argparse
import threading

TRIES = 6
STALL_SECONDS = 120.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the commands of `share` and their arguments."""
    kinds = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_setup(kinds.add_parser("setup", help="connect this project to a folder of Google Drive"))
    doctor = kinds.add_parser(
        "doctor", help="check everything that sharing needs, with a fix for each failure"
    )
    _add_remote(doctor)
    doctor.add_argument("--offline", action="store_true", help="check only what needs no network")
    _add_transfer(kinds.add_parser("push", help="upload what the remote does not have"))
    pull = kinds.add_parser("pull", help="download what is not here")
    _add_transfer(pull)
    pull.add_argument("--force", action="store_true", help="overwrite files that differ")
    for name, help in (
        ("status", "show what push would upload and pull would download"),
        ("verify", "prove that the remote has every object"),
        ("list", "show what is on the remote, and how much of it belongs to this commit"),
    ):
        kind = kinds.add_parser(name, help=help)
        _add_targets(kind)
        _add_remote(kind)
        if name == "verify":
            kind.add_argument(
                "--here",
                action="store_true",
                help="check every file and every object of the cache on this machine instead",
            )
            kind.add_argument(
                "--delete",
                action="store_true",
                help="with --here: delete what is damaged, so that pull or `dvc repro` replaces it",
            )


def _add_targets(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "targets",
        nargs="*",
        metavar="TARGET",
        help="outputs (models/lm), folders of them (data) or stages (evaluate); default: all",
    )


def _add_remote(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-r", "--remote", help="a remote of .dvc/config (default: DVC's default)")


def _add_transfer(parser: argparse.ArgumentParser) -> None:
    _add_targets(parser)
    _add_remote(parser)
    parser.add_argument("-j", "--jobs", type=_at_least_one, help="files at once (4 on Drive)")
    parser.add_argument(
        "--tries",
        type=_at_least_one,
        default=TRIES,
        help="give up after this many tries that moved nothing (%(default)s)",
    )
    parser.add_argument(
        "--stall",
        type=_seconds,
        default=STALL_SECONDS,
        metavar="SECONDS",
        help="seconds after which a silent connection has failed (%(default)g)",
    )


def _at_least_one(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < threading.TIMEOUT_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return seconds


def _add_setup(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--folder", help="the folder's link or id, from the address of its page")
    parser.add_argument("--create", metavar="NAME", help="make a folder with this name and use it")
    parser.add_argument("--parent", help="where to make it: a folder's or a Shared Drive's link")
    parser.add_argument("--client-id", help="of your own OAuth client of type 'Desktop app'")
    parser.add_argument("--client-secret", help="of that client; asked for if left out")
    parser.add_argument("--client-file", help="the JSON that Google offers for that client")
    parser.add_argument("--service-account", metavar="FILE", help="a service account's JSON key")
    parser.add_argument("--user-email", help="the user a service account acts for (delegation)")
    parser.add_argument(
        "--credentials-from-environment",
        action="store_true",
        help="use GDRIVE_CREDENTIALS_DATA (Colab, servers) and keep nothing here",
    )
    parser.add_argument(
        "--login", action="store_true", help="log in again, even with an existing login"
    )
    parser.add_argument("-r", "--remote", default="drive", help="the remote's name (%(default)s)")
