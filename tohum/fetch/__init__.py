"""Fetches many small files from a store: fast, verified, resumable and in input order."""
