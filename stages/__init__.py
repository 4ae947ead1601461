"""The stages of the pipeline, one folder each, and the modules that they share.

Run a stage alone with `python -m stages.<stage>` from the project's root; `dvc repro` runs all of
them.
"""
