"""What makes a corpus fit for training: rules, redaction, near-duplicates, test sets."""
