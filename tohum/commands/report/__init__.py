"""Tells what a run made, how good it is, and whether it gave the committed bytes again."""
