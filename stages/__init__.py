"""The stages of the pipeline: a folder for each stage of dvc.yaml, which is run as a module."""

from tohum.virtual_environment import require_packages

require_packages()
