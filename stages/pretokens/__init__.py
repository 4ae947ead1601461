"""Cuts every document into pretokens and counts them: all that tokenizer training needs."""
