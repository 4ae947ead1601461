"""One runnable file for each claim of speed; contenders run in turn, in one run."""
