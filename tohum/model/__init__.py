"""The network, its loss and its scores, shared by training and evaluation."""
