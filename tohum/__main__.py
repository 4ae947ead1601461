"""`python -m tohum`: the console script `tohum` for when it is not on the PATH."""

import sys

from tohum.cli import main

if __name__ == "__main__":
    sys.exit(main())
