"""Puts a tag in the place of parts of a text."""


def replaced(text: str, spans: list[tuple[int, int]], tag: str) -> str:
    """Returns the text with the tag in place of each span; they are sorted and apart."""
    pieces, start = [], 0
    for begin, end in spans:
        pieces += [text[start:begin], tag]
        start = end
    return "".join([*pieces, text[start:]]) if spans else text
