"""Everything around the stages: file formats, shared libraries, and commands."""

from tohum.virtual_environment import require_packages

require_packages()
