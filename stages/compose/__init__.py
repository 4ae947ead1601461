"""The first stage: conf/ and the overrides in params.yaml become the one file the others read."""
