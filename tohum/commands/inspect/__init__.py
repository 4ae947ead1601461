"""What is in this data? A file, a folder or a dataset of the Hub, and how to train on it."""
