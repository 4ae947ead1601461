"""Trains the language model and measures it in bits per byte."""
