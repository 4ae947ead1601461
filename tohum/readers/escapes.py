r"""Quotes in a table that are escaped by a backslash, \", instead of being doubled.

MySQL, Spark and pandas' escapechar write them so. Some of these programs double every backslash as
well; others leave a backslash as it is, except before a quote. A sample shows which: in the first
case no backslash is alone.
"""

import re

QUOTES = "quotes"
BACKSLASHES = "quotes and backslashes"
RUN = re.compile(r'(\\+)("?)')


def find_escapes(sample: str) -> str:
    """Returns what a backslash escapes in a table: nothing (""), QUOTES or BACKSLASHES."""
    if '\\"' not in sample:
        return ""
    alone = any(len(run[1]) % 2 and not run[2] for run in RUN.finditer(sample))
    return QUOTES if alone else BACKSLASHES


def double_quotes(text: str, escapes: str) -> str:
    """Returns a table's text with quotes doubled in place of escapes."""

    def plain(run: re.Match[str]) -> str:
        count = len(run[1])
        if run[2]:
            return "\\" * (count // 2) + ('""' if count % 2 else '"')
        return "\\" * (count // 2 if escapes == BACKSLASHES else count)

    return RUN.sub(plain, text)
