"""Turns documents into flat files of token ids, split into training and validation."""
