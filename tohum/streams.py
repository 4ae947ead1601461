"""Standard output, error and input: the one place that sets how they behave, for every command.

A letter that the terminal's or the file's code page lacks is printed as its code: a Turkish Windows
console has no Thai. A reader that closes the pipe, as `| head` does, ends the command quietly. Text
that is typed or piped in is decoded strictly: bytes in another encoding would be learnt or answered
as wrong letters.
"""

import os
import select
import sys
from collections.abc import Callable
from typing import TextIO

from tohum.errors import UserError

READER_GONE = 141  # what a shell reports for a process that SIGPIPE ended: 128 + 13


def set_up_streams() -> None:
    """Makes no letter an error on output, and each wrong byte one on input."""
    for stream, errors in (
        (sys.stdout, "backslashreplace"),
        (sys.stderr, "backslashreplace"),
        (sys.stdin, "strict"),
    ):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=errors)


def until_reader_leaves(work: Callable[[], int]) -> int:
    """Runs `work`, with all that it prints, and returns its exit code, or READER_GONE."""
    try:
        try:
            return work()
        finally:  # argparse ends the process with an exception after its help
            flush()
    except BrokenPipeError:
        gone = [stream for stream in (sys.stdout, sys.stderr) if _is_broken(stream)]
        if not gone:  # it was another pipe
            raise
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in gone:  # or Python would write what is in the buffer again at its exit
            os.dup2(nowhere, stream.fileno())
        return READER_GONE


def flush() -> None:
    """Writes what has been printed so far."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and not stream.closed:
            stream.flush()


def _is_broken(stream: TextIO | None) -> bool:
    """Whether nobody reads the pipe that a stream writes to."""
    if stream is None or not hasattr(select, "poll"):  # Windows
        return stream is not None
    poll = select.poll()
    poll.register(stream.fileno(), select.POLLERR)
    return bool(poll.poll(0))


def read_line(stream: TextIO) -> str:
    """Returns the next line with its end; empty at the end of the stream.

    Raises:
        UserError: it is not in the stream's encoding.
    """
    try:
        return stream.readline()
    except UnicodeDecodeError as error:
        raise UserError(
            f"standard input is not {error.encoding.upper()}: it has the bytes "
            f"{error.object[error.start : error.end]!r}. Convert it first, as in `iconv -f cp1254 "
            f"-t {error.encoding}`, or name its encoding: PYTHONIOENCODING=cp1254."
        ) from None


def refuse_undecodable(arguments: list[str]) -> None:
    """Raises a UserError for an argument whose bytes are not in the system's encoding."""
    for argument in arguments:
        if any("\ud800" <= letter <= "\udfff" for letter in argument):
            raise UserError(
                f"the argument {os.fsencode(argument)!r} is not "
                f"{sys.getfilesystemencoding().upper()}: type it in a terminal that uses it."
            )
