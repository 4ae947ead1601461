"""Asks the Hub again after what passes: it is busy or fails, or the connection to it breaks."""

import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

import httpx2
from huggingface_hub.errors import HfHubHTTPError

from tohum.sources.deadline import answer_in_time
from tohum.sources.rate_limit import told_wait

TRIES = 5
FIRST_WAIT = 1.0  # second; each wait is at most twice as long as the one before, and at least half
PASSING = frozenset({408, 425, 429})  # and all from 500 on

Answer = TypeVar("Answer")

log = logging.getLogger(__name__)


def answer_patiently(question: Callable[[], Answer], seconds: float) -> Answer:
    """Returns the answer to a question, which may take `seconds` at each of TRIES.

    Raises:
        HfHubHTTPError: the Hub refuses, or still fails at the last try.
        httpx2.TransportError: the Hub can't be reached.
        TimeoutError: one answer took longer.
    """
    for number in range(TRIES - 1):
        try:
            return answer_in_time(question, seconds)
        except (HfHubHTTPError, httpx2.TransportError) as error:
            if not _passes(error):
                raise
            response = getattr(error, "response", None)
            told = told_wait(response.headers) if response is not None else 0.0
            wait = max(told, FIRST_WAIT * 2**number * random.uniform(0.5, 1))
            log.warning("the Hub: %s; it is asked again in %.0f s", first_line(error), wait)
        time.sleep(wait)
    return answer_in_time(question, seconds)


def _passes(error: Exception) -> bool:
    if not isinstance(error, HfHubHTTPError):
        return True
    status = error.response.status_code if error.response is not None else 0
    return status >= 500 or status in PASSING


def first_line(error: Exception) -> str:
    """Returns what an error says, in one line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
