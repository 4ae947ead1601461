"""The pictures of docs/editor.md and docs/editor.tr.md.

Run `python -m tests.screenshots` to take them anew, of the model in models/lm: `tohum serve` and a
Chromium have to work here. tests/tohum/commands/serve/test_page.py checks that this works, and that
the pictures are there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page

from tests.chromium import open_chromium, page_address
from tohum.commands.generate.config import Generate
from tohum.inference import load_language_model

PROJECT = Path(__file__).parent.parent
IMAGES = PROJECT / "docs/images"
LARGEST = 100_000  # bytes of a picture
OPTIONS = Generate("", None, False, 0, 60, 0.8, 50, 0.8, 0, 3, 1)


@dataclass(frozen=True)
class Picture:
    """A picture of the page: its file, the browser's language and colours, and the mode shown."""

    name: str
    locale: str
    scheme: Literal["light", "dark"]
    mode: str
    width: int
    height: int


PICTURES = (
    Picture("page.png", "en-US", "light", "write", 1000, 640),
    Picture("page-phone.png", "en-US", "dark", "fill", 360, 720),
    Picture("page.tr.png", "tr-TR", "dark", "fill", 1000, 640),
    Picture("page-phone.tr.png", "tr-TR", "light", "write", 360, 720),
)


def take(
    browser: Browser, address: str, folder: Path, pictures: Sequence[Picture] = PICTURES
) -> None:
    """Takes pictures of the page at an address."""
    for picture in pictures:
        context = browser.new_context(
            locale=picture.locale,
            color_scheme=picture.scheme,
            viewport={"width": picture.width, "height": picture.height},
        )
        page = context.new_page()
        page.goto(address)
        write(page, picture.mode)
        page.screenshot(path=folder / picture.name)
        context.close()


def write(page: Page, mode: str) -> None:
    """Has the model write in a mode, and chooses an unlikely token within the text."""
    page.wait_for_selector("#facts:not(:empty)")
    page.check(f"[value={mode}]", force=True)
    page.click("#go")
    page.wait_for_selector("#stop", state="hidden")
    tokens = page.locator(".token.level-3")
    (tokens.nth(1) if tokens.count() > 1 else page.locator(".token[role]").first).click()


def main() -> None:
    """Takes the pictures of models/lm."""
    IMAGES.mkdir(exist_ok=True)
    model = load_language_model(PROJECT / "models/lm")
    with page_address(model, OPTIONS) as address, open_chromium() as browser:
        take(browser, address, IMAGES)


if __name__ == "__main__":
    main()
