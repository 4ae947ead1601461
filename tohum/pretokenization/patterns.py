r"""The patterns that need no regular expression engine, recognised by their exact text.

They are those of the presets in conf/pretokenizer, which a test keeps equal to these; any other
pattern is left to an engine.
"""

GPT4, GPT2 = 1, 2
GPT2_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def gpt4_pattern(digits: int) -> str:
    """Returns GPT-4's pattern with numbers in groups of at most `digits` digits; GPT-4 has 3."""
    return (
        rf"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,{digits}}}"
        r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
    )


KNOWN_PATTERNS = {gpt4_pattern(2): GPT4, GPT2_PATTERN: GPT2}
