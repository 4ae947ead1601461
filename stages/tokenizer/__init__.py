"""Trains the byte-level BPE tokenizer on the (pretoken, count) table."""
