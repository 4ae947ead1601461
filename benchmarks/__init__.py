"""One runnable file for each claim about speed; contenders take turns in a single run."""
