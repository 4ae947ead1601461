"""How text is cut into pretokens, compiled: for counting as for encoding."""
