"""Cuts text into pretokens with compiled code, for counting and for encoding."""
