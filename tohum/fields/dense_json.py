"""JSON that is small as a text and huge as objects, which nobody writes as a row.

128 MB of `{},` become three gigabytes of objects. Texts, code and rows of a table have far fewer
commas and brackets for their size.
"""

MOST_VALUES = 1 << 21  # some 150 MB of objects
SPARSE = 16  # bytes a value, from which on a text of any length is taken
DENSE = f"not a row: it has more than {MOST_VALUES:,} values; write one object a line"


def is_dense(text: str | bytes) -> bool:
    """Returns whether a JSON text has more values than are read at once."""
    if len(text) <= MOST_VALUES:
        return False
    if isinstance(text, str):
        marks = sum(map(text.count, ",[{"))
    else:
        marks = sum(map(text.count, (b",", b"[", b"{")))
    return marks > MOST_VALUES and marks > len(text) // SPARSE
