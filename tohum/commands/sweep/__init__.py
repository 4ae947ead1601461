"""Runs a grid or a search over the configuration, each point a DVC experiment."""
