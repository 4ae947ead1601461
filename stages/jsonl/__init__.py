"""From raw files of any kind to clean JSONL records with their provenance."""
