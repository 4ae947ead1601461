"""The typed configuration: reads sections of plain values into checked dataclasses."""
