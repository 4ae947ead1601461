"""The stages of the pipeline: a folder for each stage of dvc.yaml, which is run as a module."""
