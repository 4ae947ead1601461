"""Compiled loops over bytes and ids: how they are compiled, and the parts that they share."""
