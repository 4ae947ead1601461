"""The first stage: from conf/ and the overrides in params.yaml to the one file that the others
read.
"""
