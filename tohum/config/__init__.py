"""The typed configuration: sections of plain values, turned into checked dataclasses."""
