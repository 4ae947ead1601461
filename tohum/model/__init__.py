"""The language model: its network, its loss, and what it is measured by."""
