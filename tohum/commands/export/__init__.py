"""Writes the trained model as a file for llama.cpp."""
