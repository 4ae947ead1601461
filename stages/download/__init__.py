"""Fetches and verifies the raw files of a source; every source ends up as `tohum.formats.raw`."""
