"""Turns raw files of any kind into clean JSONL records with their provenance."""
