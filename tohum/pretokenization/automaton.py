"""The presets' patterns as automata over bytes, for ASCII text.

AUTOMATON[state + byte] is the next state. A state is a multiple of 256; states below FIRST_STATE
are the three reasons to stop before a byte: the pretoken has ended (END), it is a run of spaces,
which must be seen whole (SPACES), or ASCII alone does not decide (ELSEWHERE).
"""

from typing import Any

import numpy

END, SPACES, ELSEWHERE = range(3)
FIRST_STATE = 256

LETTERS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
CONTRACTED = b"sdmtlvrSDMTLVR"  # what may follow an apostrophe in the alternatives 's, 'll, ...
DIGITS = b"0123456789"
LINE_ENDS = b"\n\r"
SPACE = b" \t\v\f" + LINE_ENDS
OTHERS = bytes(byte for byte in range(128) if byte not in LETTERS + DIGITS + SPACE)
REST = bytes(range(128, 256))

# For each state, the next state by byte; a later row wins, and END follows all other bytes.
GPT4_STATES: dict[str, list[tuple[bytes, str]]] = {
    "start": [
        (LETTERS, "letters"),
        (DIGITS, "digit"),
        (OTHERS, "other"),
        (b"'", "apostrophe"),
        (b"\t\v\f", "tab"),
        (b" ", "blank"),
        (LINE_ENDS, "line"),
        (REST, "elsewhere"),
    ],
    "letters": [(LETTERS, "letters"), (REST, "elsewhere")],
    "digit": [(DIGITS, "digits"), (REST, "elsewhere")],
    "digits": [],
    "other": [
        (LETTERS, "letters"),
        (OTHERS, "others"),
        (LINE_ENDS, "lines"),
        (REST, "elsewhere"),
    ],
    "others": [(OTHERS, "others"), (LINE_ENDS, "lines"), (REST, "elsewhere")],
    "lines": [(LINE_ENDS, "lines")],
    "apostrophe": [
        (LETTERS, "letters"),
        (CONTRACTED, "elsewhere"),
        (OTHERS, "others"),
        (LINE_ENDS, "lines"),
        (REST, "elsewhere"),
    ],
    "blank": [(LETTERS, "letters"), (OTHERS, "others"), (SPACE, "spaces"), (REST, "elsewhere")],
    "tab": [(LETTERS, "letters"), (SPACE, "spaces"), (REST, "elsewhere")],
    "line": [(SPACE, "spaces"), (REST, "elsewhere")],
}
GPT2_STATES: dict[str, list[tuple[bytes, str]]] = {
    "start": [
        (LETTERS, "letters"),
        (DIGITS, "digits"),
        (OTHERS, "others"),
        (b"'", "apostrophe"),
        (SPACE, "line"),
        (b" ", "blank"),
        (REST, "elsewhere"),
    ],
    "letters": [(LETTERS, "letters"), (REST, "elsewhere")],
    "digits": [(DIGITS, "digits"), (REST, "elsewhere")],
    "others": [(OTHERS, "others"), (REST, "elsewhere")],
    "apostrophe": [(CONTRACTED, "elsewhere"), (OTHERS, "others"), (REST, "elsewhere")],
    "blank": [
        (LETTERS, "letters"),
        (DIGITS, "digits"),
        (OTHERS, "others"),
        (SPACE, "spaces"),
        (REST, "elsewhere"),
    ],
    "line": [(SPACE, "spaces"), (REST, "elsewhere")],
}
STOPS = {"end": END, "spaces": SPACES, "elsewhere": ELSEWHERE}


def automaton(*patterns: dict[str, list[tuple[bytes, str]]]) -> numpy.ndarray[Any, Any]:
    """Returns the automata of several patterns, one after another, each starting with its start
    state: uint16 (256 + 256 * states,).
    """
    table = numpy.full(FIRST_STATE, END, numpy.uint16)
    for states in patterns:
        numbers = {name: len(table) + 256 * index for index, name in enumerate(states)}
        rows = numpy.full((len(states), 256), END, numpy.uint16)
        for row, following in zip(rows, states.values(), strict=True):
            for characters, name in following:
                row[list(characters)] = (STOPS | numbers)[name]
        table = numpy.concatenate([table, rows.reshape(-1)])
    return table


AUTOMATON = automaton(GPT4_STATES, GPT2_STATES)
GPT4_START, GPT2_START = FIRST_STATE, FIRST_STATE * (1 + len(GPT4_STATES))
