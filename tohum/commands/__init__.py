"""What is around the pipeline, each a command of its own and no stage."""
