"""Shares what the pipeline has made through a DVC remote, Google Drive for example."""
