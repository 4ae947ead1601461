"""The stages of the pipeline: a folder for each stage of dvc.yaml, run as `python -m stages.NAME`."""
