"""Measures the trained weights and writes them as a model of transformers, with its card."""
