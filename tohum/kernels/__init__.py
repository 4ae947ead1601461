"""Compiled loops over bytes and ids: how they are compiled, and what several of them share."""
