"""Measures the trained weights and writes them as a transformers model, with its card."""
