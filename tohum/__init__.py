"""Everything around the stages: file formats, shared libraries, and commands."""
