"""What pyarrow raises when a parquet file is damaged."""

import pyarrow

PARQUET_ERRORS = (pyarrow.ArrowException, OSError, UnicodeDecodeError)


def raise_unless_damage(error: BaseException) -> None:
    """Raises an error of the system again, such as a full disk: pyarrow's own have no number."""
    if isinstance(error, OSError) and error.errno is not None:
        raise error
