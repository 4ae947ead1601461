"""Shares data and models through Google Drive, or any other DVC remote.

    tohum share setup      once: a folder, and the way into it
    tohum share doctor     what is wrong, and its fix
    tohum share push       upload everything that is not there yet
    tohum share push data  the datasets alone; models/lm: the model alone
    tohum share pull       a friend, in a clone: then `dvc repro` is up to date
    tohum share status     what push and pull would move
    tohum share verify     proof that the remote holds every object
    tohum share list       what is there

Reads dvc.lock and .dvc/config; setup writes .dvc/config (the folder) and .dvc/config.local (what is
secret; git ignores it). docs/sharing.md has the steps for every kind of account.
"""

import sys

from tohum.commands.share.application import main

if __name__ == "__main__":
    sys.exit(main(__doc__))
