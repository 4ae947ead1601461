r"""The patterns that are read without a regular expression engine, by equality of their text.

They are those of the presets in conf/pretokenizer; any other pattern is left to an engine.
"""

GPT4, GPT2 = 1, 2
KNOWN_PATTERNS = {
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,2}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]|\s+(?!\S)|\s+": GPT4,
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+": GPT2,
}
