"""Services of the Stack v2 on 127.0.0.1, for tests that meet no network and no mock.

`hub.FakeHub` is the Hugging Face Hub with one dataset, `content_store.FakeContentStore` is Software
Heritage's bucket, `blobs` makes small code files, and `stack_rows` the parquet files that name
them. Nothing listens on a fixed port, and every fake is a context manager.
"""
