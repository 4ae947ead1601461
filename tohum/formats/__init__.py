"""The contracts between stages: what one writes and the next reads."""
