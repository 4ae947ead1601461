"""Options of `tohum show`, as its command line gives them."""

from tests.conftest import PROJECT
from tohum.commands.show import SHOW_FILE
from tohum.commands.show.config import Show
from tohum.commands.show.view_options import read_view


def asked(*arguments: str) -> Show:
    return read_view(list(arguments), PROJECT / SHOW_FILE)[1]
