"""Reads from a refusal how long its server asks to wait.

Retry-After has seconds. The Hub also counts requests in windows of five minutes, and says in
RateLimit how many are left and in how many seconds the next window begins: `"resolvers";r=0;t=55`
(https://huggingface.co/docs/hub/rate-limits).
"""

import re
from collections.abc import Mapping

LONGEST_WAIT = 310.0  # seconds: a window of the Hub, and some
SECONDS = re.compile(r"\d{1,9}", re.ASCII)
NONE_LEFT = re.compile(r"; *r *= *0+ *; *t *= *(\d{1,9})(?!\d)", re.ASCII)


def told_wait(headers: Mapping[str, str]) -> float:
    """Returns the seconds to wait, at most LONGEST_WAIT; 0 if the headers don't say.

    Args:
        headers: of an answer, by their names in lower case.
    """
    retry = headers.get("retry-after", "").strip()
    seconds = int(retry) if SECONDS.fullmatch(retry) else 0
    window = NONE_LEFT.search(headers.get("ratelimit", ""))
    if window:
        seconds = max(seconds, int(window[1]) + 1)
    return min(LONGEST_WAIT, seconds)
