"""Replaces parts of a text with a tag."""


def replaced(text: str, spans: list[tuple[int, int]], tag: str) -> str:
    """Returns the text with the tag in place of each span; spans are sorted and don't overlap."""
    pieces, start = [], 0
    for begin, end in spans:
        pieces += [text[start:begin], tag]
        start = end
    return "".join([*pieces, text[start:]]) if spans else text
