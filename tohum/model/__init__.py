"""The network, its loss and its figures: what training and evaluation compute in the same way."""
