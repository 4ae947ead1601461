"""Trains the language model and writes its weights."""
