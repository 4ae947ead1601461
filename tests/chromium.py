"""The system's Chromium, for the tests of the page and its pictures; none is ever downloaded."""

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from tohum.commands.generate.config import Generate
from tohum.commands.serve.server import open_server
from tohum.inference import LanguageModel

NAMES = ("chromium", "chromium-browser", "google-chrome")
MISSING = "no Chromium here: on Debian and Ubuntu, `apt install chromium`"


def chromium_path() -> str | None:
    """The program, if one is installed."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def open_chromium() -> Iterator[Browser]:
    """A Chromium without a window."""
    root = hasattr(os, "geteuid") and os.geteuid() == 0  # its sandbox refuses to run as root
    arguments = ["--disable-dev-shm-usage", *(["--no-sandbox"] if root else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=arguments)
        yield browser
        browser.close()


@contextmanager
def page_address(
    model: LanguageModel, options: Generate, api_key: str | None = None
) -> Iterator[str]:
    """The address of a server's page, while it serves."""
    with open_server(model, options, api_key=api_key) as (server, listener):
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            server.should_exit = True
            thread.join()
