"""Trains the language model, up to its weights."""
