"""The special tokens: the first entries of every vocabulary, so that their ids never change."""

SPECIAL_TOKENS = (
    "<|endoftext|>",  # before every document
    "<|pad|>",
    "<|fim_prefix|>",  # fill in the middle
    "<|fim_middle|>",
    "<|fim_suffix|>",
    "<|system|>",  # the roles of a conversation
    "<|user|>",
    "<|assistant|>",
    "<|end|>",
)
END_OF_TEXT_ID = SPECIAL_TOKENS.index("<|endoftext|>")
PADDING_ID = SPECIAL_TOKENS.index("<|pad|>")
END_ID = SPECIAL_TOKENS.index("<|end|>")
PREFIX_ID, MIDDLE_ID, SUFFIX_ID = (
    SPECIAL_TOKENS.index(f"<|fim_{part}|>") for part in ("prefix", "middle", "suffix")
)
ROLE_IDS = {role: SPECIAL_TOKENS.index(f"<|{role}|>") for role in ("system", "user", "assistant")}
