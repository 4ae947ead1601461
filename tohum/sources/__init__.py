"""The sources of raw files: a module for each kind, with its section."""
