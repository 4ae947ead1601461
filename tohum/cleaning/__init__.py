"""What makes a corpus fit to learn from: rules on a text, redaction, near-duplicates, test sets."""
