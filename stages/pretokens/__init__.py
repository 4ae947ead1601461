"""Cuts every document into pretokens and counts them: all that a tokenizer's training needs to
know.
"""
