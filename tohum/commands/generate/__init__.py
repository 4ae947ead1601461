"""Continues a prompt with the trained model."""
