"""The contracts between stages: what each writes and the next one reads."""
