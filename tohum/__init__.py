"""Everything around the stages: file formats, libraries that several of them use, and commands."""
