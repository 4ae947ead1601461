"""The decoder on the CPU, compiled: a token costs one call per block, not a dozen operators."""
