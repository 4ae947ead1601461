"""The page in a real Chromium: one browser and one server for all tests."""

import json
import re
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests import screenshots
from tests.chromium import MISSING, chromium_path, open_chromium, page_address
from tests.tohum.commands.serve.test_server import CHAT, TEXTS, choice, model, options
from tohum.inference import LanguageModel

__all__ = ["model"]  # a fixture

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(chromium_path() is None, reason=MISSING),
]

WIDE = {"width": 1400, "height": 900}
NARROW = {"width": 360, "height": 740}
FIELDS = {"write": "#prompt", "fill": "#prefix", "talk": "#message"}  # by mode
ODD = "<script>alert(1)</script><img src=x onerror=alert(1)> &amp; \u202e çğş"

# The least contrast of all texts on their backgrounds, with the text that has it (WCAG 2.1, 1.4.3).
LEAST_CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const colour = (css) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = css;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const background = (node) => {
    for (; node; node = node.parentElement) {
      const [red, green, blue, alpha] = colour(getComputedStyle(node).backgroundColor);
      if (alpha === 255) return [red, green, blue];
    }
    return [255, 255, 255];
  };
  const luminance = (rgb) => rgb.map((value) => value / 255)
    .map((value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
    .reduce((sum, value, at) => sum + value * [0.2126, 0.7152, 0.0722][at], 0);
  let least = [99, ""];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
    const field = node.matches("input, textarea") && node.value;
    if (!(own || field) || !node.checkVisibility()) continue;
    const tones = [colour(getComputedStyle(node).color).slice(0, 3), background(node)];
    const [dark, light] = tones.map(luminance).sort((one, two) => one - two);
    const ratio = (light + 0.05) / (dark + 0.05);
    if (ratio < least[0]) least = [ratio, node.className + ": " + node.textContent.slice(0, 40)];
  }
  return least;
}"""

# What reaches beyond the window's width.
OVERFLOWING = """() => [document.documentElement, ...document.querySelectorAll("body *")]
  .filter((node) => node.checkVisibility() && !node.closest(".unseen"))
  .filter((node) => node.getBoundingClientRect().right > innerWidth + 0.5
    || node === document.documentElement && node.scrollWidth > innerWidth)
  .map((node) => node.tagName + "." + node.className)"""


@pytest.fixture(scope="module")
def address(model: LanguageModel) -> Iterator[str]:
    with page_address(model, options()) as address:
        yield address


@pytest.fixture(scope="module")
def port(address: str) -> int:
    return int(address.rstrip("/").rpartition(":")[2])


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_chromium() as browser:
        yield browser


Visit = Callable[..., Page]


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[Visit]:
    """Opens the page. At the end no script has failed, and nobody else was asked for anything."""
    contexts, errors, asked = [], [], []

    def opened(at: str = address, **values: Any) -> Page:
        context = browser.new_context(**{"locale": "en-US", "viewport": WIDE, **values})
        context.set_default_timeout(20_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text))
        page.on("dialog", lambda dialog: errors.append(dialog.message))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(at)
        return page

    yield opened
    for context in contexts:
        context.close()
    # Chromium itself reports each answer that is not 2xx, and each connection that fails.
    assert [error for error in errors if not error.startswith("Failed to load resource")] == []
    assert [url for url in asked if not url.startswith("http://127.0.0.1:")] == []


def choose(page: Page, mode: str) -> None:
    page.wait_for_selector("#facts:not(:empty)")
    page.check(f"[value={mode}]", force=True)


def go(page: Page) -> None:
    """Has the model write to the end."""
    page.click("#go")
    page.wait_for_selector("#stop", state="hidden")


def set_values(page: Page, **values: Any) -> None:
    page.wait_for_selector("#facts:not(:empty)")
    page.evaluate("document.getElementById('settings').open = true")
    for name, value in values.items():
        page.fill(f"[name={name}]", str(value))


def written(page: Page) -> str:
    return page.text_content(".written >> nth=-1") or ""


@contextmanager
def stopped(page: Page, path: str, answer: Callable[[Route], None]) -> Iterator[None]:
    """Answers the requests for a path in place of the server."""
    page.route(f"**{path}", answer)
    yield
    page.unroute(f"**{path}")


def streamed(*values: Any, end: str = "data: [DONE]\n\n") -> Callable[[Route], None]:
    body = "".join(f"data: {json.dumps(value)}\n\n" for value in values) + end
    return lambda route: route.fulfill(content_type="text/event-stream", body=body)


def piece(text: str, *tokens: str) -> dict[str, Any]:
    """An event of a stream, each of whose tokens has a probability of a half."""
    table = {
        "tokens": tokens,
        "token_logprobs": [-0.6931472] * len(tokens),
        "top_logprobs": [{token: -0.6931472, "7": -3.0, "<b>": -2.0} for token in tokens],
    }
    return {"choices": [{"text": text, "finish_reason": None, "logprobs": table}]}


def test_a_text_is_continued_as_by_the_api(visit: Visit, port: int) -> None:
    page = visit()
    set_values(page, temperature=0.5, top_p=0.9, max_tokens=20, seed=7)
    page.fill("#prompt", "import ")
    go(page)
    body = {"prompt": "import ", "temperature": 0.5, "top_p": 0.9, "max_tokens": 20, "seed": 7}
    text = choice(port, TEXTS, body)["text"]
    assert written(page) == text
    assert page.text_content(".paper") == "import " + text
    expect(page.locator("#status")).to_contain_text("as long as the settings allow")
    page.click("#keep")
    assert page.input_value("#prompt") == "import " + text


def test_what_is_between_two_texts_is_filled_in(visit: Visit, port: int) -> None:
    page = visit()
    choose(page, "fill")
    set_values(page, temperature=0)
    page.fill("#prefix", "def f(x):\n    ")
    page.fill("#suffix", "\n    return y\n")
    page.focus("#suffix")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("#keep")
    body = {"prompt": "def f(x):\n    ", "suffix": "\n    return y\n", "temperature": 0}
    text = choice(port, TEXTS, body)["text"]
    assert page.text_content(".paper") == f"def f(x):\n    {text}\n    return y\n"


def test_a_conversation_goes_on(visit: Visit, port: int) -> None:
    page = visit()
    choose(page, "talk")
    set_values(page, temperature=0, max_tokens=6)
    messages = []
    for said in ("Hello", "Why?\nBecause."):
        for part in said.split("\n"):
            page.keyboard.press("Shift+Enter") if part == "Because." else page.focus("#message")
            page.keyboard.insert_text(part)
        page.keyboard.press("Enter")
        page.wait_for_selector("#go")
        messages.append({"role": "user", "content": said})
        body = {"messages": messages, "temperature": 0, "max_tokens": 6}
        answer = choice(port, CHAT, body)["message"]["content"]
        messages.append({"role": "assistant", "content": answer})
        expect(page.locator("#status")).to_contain_text("a second")
        assert written(page) == answer
    page.click("#forget")
    assert page.locator(".turn").count() == 0


def test_a_text_comes_piece_by_piece_and_can_be_stopped(visit: Visit) -> None:
    page = visit()
    set_values(page, max_tokens=1_000_000, temperature=0)
    page.fill("#prompt", "def ")  # greedily, it goes on with dashes for ever
    for by_key in (False, True):
        page.click("#go")
        page.wait_for_selector(".token >> nth=40", state="attached")
        page.keyboard.press("Escape") if by_key else page.click("#stop")
        expect(page.locator("#status")).to_contain_text("Stopped.")
        assert 0 < len(written(page)) < 1_000_000
    set_values(page, max_tokens=3)
    go(page)
    assert page.locator(".token").count() <= 3, "it writes on anew"


def test_each_token_shows_how_likely_it_was(visit: Visit, port: int) -> None:
    page = visit()
    set_values(page, temperature=0)
    page.fill("#prompt", "x = 1\n")
    go(page)
    body = {"prompt": "x = 1\n", "temperature": 0, "logprobs": 6}
    logprobs = choice(port, TEXTS, body)["logprobs"]
    chances = page.evaluate(f"{logprobs['token_logprobs']}.map(Math.exp)")
    shown = page.evaluate(
        "async (chances) => chances.map((await import('/page/texts.js')).percent)", chances
    )
    tokens = page.locator(".token[role=button]")
    tokens.nth(1).hover()
    expect(page.locator(".title strong")).to_have_text(shown[1])
    assert page.locator(".chances li").count() == 7, "six and all others"
    tokens.nth(0).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".title strong")).to_have_text(shown[2])
    expect(tokens.nth(2)).to_be_focused()
    page.keyboard.press("End")
    number = len(chances)
    expect(page.locator(".title .quiet").last).to_have_text(f"Token {number} of {number}")
    page.keyboard.press("Escape")
    expect(page.locator("#hint")).to_be_visible()


def test_the_text_goes_on_with_another_token(visit: Visit) -> None:
    page = visit()
    page.fill("#prompt", "x")
    events = (piece("a", "a"), piece("b", "b"))
    with stopped(page, TEXTS, streamed(*events)):
        go(page)
        page.locator(".token[role]").nth(1).focus()
        with page.expect_request(f"**{TEXTS}") as asked:
            page.click(".chances button:has-text('<b>')")
        assert json.loads(asked.value.post_data or "")["prompt"] == "xa<b>"
        expect(page.locator(".paper")).to_have_text("xa<b>ab")  # before the real server is asked


def test_the_output_is_text_whatever_it_holds(visit: Visit) -> None:
    page = visit()
    page.fill("#prompt", ODD)
    with stopped(page, TEXTS, streamed(piece(ODD, ODD), piece("ü", "\ufffd", "\ufffd"))):
        go(page)
    assert page.text_content(".paper") == f"{ODD}{ODD}ü"
    assert page.locator("#output script, #output img").count() == 0
    page.locator(".token[role]").nth(0).hover()
    assert page.locator(".title code").text_content() == ODD.replace(" ", "·")
    page.locator(".token[role]").nth(1).hover()
    assert page.locator(".title").count() == 2, "the two tokens of one character"


def test_a_setting_that_is_refused_is_named(visit: Visit) -> None:
    page = visit(locale="tr-TR")
    set_values(page, temperature=-5)
    go(page)
    expect(page.locator("#error")).to_contain_text("Sıcaklık bu değeri alamaz")
    expect(page.locator("#error")).to_contain_text("expected a number from -1")
    expect(page.locator("[name=temperature]")).to_be_focused()
    set_values(page, temperature=1)
    go(page)
    expect(page.locator("#error")).to_be_hidden()
    assert written(page)


def test_what_goes_wrong_is_told_in_words(visit: Visit) -> None:
    page = visit()
    page.wait_for_selector("#facts:not(:empty)")
    answers: dict[str, Callable[[Route], None]] = {
        "broke off": streamed(piece("kept", "kept"), end=""),
        "The model failed": lambda route: route.fulfill(status=500, json={"error": {}}),
        "does not answer": lambda route: route.abort("connectionrefused"),
    }
    for words, answer in answers.items():
        with stopped(page, TEXTS, answer):
            go(page)
        expect(page.locator("#error")).to_contain_text(words)
        if words == "broke off":
            assert written(page) == "kept"
    choose(page, "talk")
    go(page)
    expect(page.locator("#error")).to_contain_text("Write a message first")


def test_a_message_that_got_no_answer_can_be_sent_again(visit: Visit) -> None:
    page = visit()
    choose(page, "talk")
    page.fill("#message", "Hello")
    with stopped(page, CHAT, lambda route: route.abort("connectionrefused")):
        go(page)
    expect(page.locator("#error")).to_contain_text("does not answer")
    assert (page.input_value("#message"), page.locator(".turn").count()) == ("Hello", 0)


def test_a_server_with_a_key_is_asked_with_it(visit: Visit, model: LanguageModel) -> None:
    with page_address(model, options(), api_key="sesame") as address:
        page = visit(address)
        expect(page.locator("#error")).to_contain_text("API key")
        page.fill("#key", "sesame")
        page.keyboard.press("Tab")
        page.wait_for_selector("#facts:not(:empty)")
        go(page)
        assert written(page)
        page.goto("about:blank")  # so that the server need not wait for it


@pytest.mark.parametrize("conversations", [True, False])
def test_a_model_that_saw_no_conversation_is_told(visit: Visit, conversations: bool) -> None:
    page = visit()
    told = {"conversations": conversations}
    with stopped(page, "/page/conversations", lambda route: route.fulfill(json=told)):
        choose(page, "talk")
        if conversations:
            page.wait_for_load_state("networkidle")
        expect(page.locator("#notice")).to_be_visible(visible=not conversations)
    choose(page, "write")
    expect(page.locator("#notice")).to_be_hidden()


@pytest.mark.parametrize(
    ("locale", "language", "words"), [("tr-TR", "tr", "Sürdür"), ("de-DE", "en", "Continue")]
)
def test_the_language_is_the_browsers_or_english(
    visit: Visit, locale: str, language: str, words: str
) -> None:
    page = visit(locale=locale)
    expect(page.locator("#go")).to_have_text(words)
    assert page.get_attribute("html", "lang") == language
    english, turkish = page.evaluate(
        """async () => {
          const {TEXTS} = await import("/page/texts.js");
          return [TEXTS.en, TEXTS.tr].map((texts) => Object.entries(texts)
            .map(([name, text]) => [name, (text.match(/{\\w+}/g) ?? []).sort()]));
        }"""
    )
    assert english == turkish, "the same names in the same order, with room for the same values"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_background(visit: Visit, scheme: Any) -> None:
    page = visit(color_scheme=scheme)
    set_values(page, max_tokens=60)
    choose(page, "talk")
    page.fill("#message", "Hello")
    go(page)
    choose(page, "write")
    go(page)
    page.locator(".token[role]").first.hover()
    set_values(page, temperature=-5)
    page.click("#go")
    page.wait_for_selector("#error")
    page.evaluate(
        """() => {
          document.querySelectorAll("[hidden]").forEach((node) => node.hidden = false);
          document.querySelectorAll(".token").forEach((node, at) => {
            node.className = `token level-${at % 5}`;
          });
        }"""
    )
    ratio, text = page.evaluate(LEAST_CONTRAST)
    assert ratio >= 4.5, text
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(244, 242, 236)" if scheme == "light" else "rgb(22, 25, 21)")


@pytest.mark.parametrize(("viewport", "locale"), [(NARROW, "tr-TR"), (WIDE, "en-US")])
def test_nothing_reaches_beyond_the_window(visit: Visit, viewport: Any, locale: str) -> None:
    page = visit(viewport=viewport, locale=locale)
    set_values(page, max_tokens=40)
    for mode, field in FIELDS.items():
        choose(page, mode)
        page.fill(field, "long_name_" * 40)
        go(page)
        page.locator(".token[role]", has_text=re.compile(r"\w")).first.click()
        assert page.evaluate(OVERFLOWING) == [], mode


def test_everything_can_be_reached_with_the_keyboard_alone(visit: Visit) -> None:
    page = visit()
    page.wait_for_selector("#facts:not(:empty)")
    page.keyboard.press("Tab")
    expect(page.locator("[value=write]")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.locator("[value=fill]")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("#prefix")).to_be_focused()
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("#keep")
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        node, outline = page.evaluate(
            """() => [document.activeElement, getComputedStyle(document.activeElement)]
              .map((it, at) => at ? it.outlineStyle : it.id || it.role || it.tagName)"""
        )
        assert node == "BODY" or outline != "none", f"{node} does not show that it has the focus"
        reached.append(node)
    order = ["suffix", "go", "keep", "SUMMARY", "button"]
    assert reached[: len(order)] == order
    assert "coloured" in reached


def test_the_pictures_of_the_documents_can_be_taken_and_are_there(
    browser: Browser, address: str, tmp_path: Path
) -> None:
    screenshots.take(browser, address, tmp_path, screenshots.PICTURES[:1])
    for picture in screenshots.PICTURES:
        kept = screenshots.IMAGES / picture.name
        assert kept.stat().st_size <= screenshots.LARGEST
        for path in (kept, *tmp_path.glob(picture.name)):
            width, height = struct.unpack(">II", path.read_bytes()[16:24])  # of PNG's header
            assert (width, height) == (picture.width, picture.height)
