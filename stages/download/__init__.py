"""Fetches the raw files of a source and verifies each one; every source ends in the same form,
`tohum.formats.raw`.
"""
