"""Shares data and models through Google Drive, or any other DVC remote.

    python -m stages.share setup      once: a folder, and the way into it
    python -m stages.share doctor     what is wrong, and its fix
    python -m stages.share push       upload everything that is not there yet
    python -m stages.share push data  the datasets alone; models/lm: the model alone
    python -m stages.share pull       a friend, in a clone: then `dvc repro` is up to date
    python -m stages.share status     what push and pull would move
    python -m stages.share verify     proof that the remote holds every object
    python -m stages.share list       what is there

Reads dvc.lock and .dvc/config; setup writes .dvc/config (the folder) and .dvc/config.local (what is
secret; git ignores it). docs/sharing.md has the steps for every kind of account.
"""

import sys

from stages.share.application import main

if __name__ == "__main__":
    sys.exit(main(__doc__))
