"""The page in a real Chromium, and the parts that it is made of."""

import math
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy
import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.chromium import MISSING, chromium_path, open_chromium
from tests.conftest import PROJECT
from tests.tohum.commands.report.pages import HOSTILE, conversations, write_page_project
from tests.tohum.commands.serve.test_page import OVERFLOWING
from tohum.commands.report.charts import check_charts
from tohum.commands.report.config import ReportPage
from tohum.commands.report.continuations import only_conversations, questions, written_texts
from tohum.commands.report.html_report import html_page, write_html
from tohum.commands.report.ingredients import read_ingredients
from tohum.commands.report.page_options import read_page_options
from tohum.commands.report.readable_tokens import named, pieces_of
from tohum.commands.report.samples import samples
from tohum.commands.report.surprise import HeldOutFile, best_and_worst, load_network, token_bits
from tohum.commands.report.vocabulary_use import PART, count_entries
from tohum.commands.report.wording import LANGUAGES, Number, page_texts, said, say, share, size
from tohum.errors import UserError
from tohum.formats.special_tokens import END_ID, SPECIAL_TOKENS
from tohum.formats.tokens import read_split
from tohum.inference import load_language_model
from tohum.model.scoring import document_windows, window_nats

pytestmark = pytest.mark.slow
in_chromium = pytest.mark.skipif(chromium_path() is None, reason=MISSING)

OPTIONS = ReportPage(files=2, excerpt_tokens=40, entries=10, examples=2, new_tokens=6)
DEFAULTS = (PROJECT / "conf/report.yaml", Path("outputs/report.html"))
Scheme = Literal["light", "dark"]
Opened = Callable[..., Page]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DVC_ROOT", raising=False)
        folder = tmp_path_factory.mktemp("page")
        patch.chdir(folder)
        yield write_page_project(folder)


@pytest.fixture(scope="module")
def pages(root: Path) -> dict[str, Path]:
    """The page of the project as programs in each language write it."""
    written = {}
    with pytest.MonkeyPatch.context() as patch:
        for language in LANGUAGES:
            patch.setenv("TOHUM_LANG", language)
            written[language] = root / "outputs" / f"{language}.html"
            write_html(root, written[language], OPTIONS)
    return written


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_chromium() as browser:
        yield browser


@pytest.fixture
def opened(browser: Browser, pages: dict[str, Path]) -> Iterator[Opened]:
    """Opens the page. At the end nothing but the page was asked for, and no script has failed."""
    contexts, problems, asked = [], [], []

    def open_page(
        language: str = "en", width: int = 1400, scheme: Scheme = "light", script: bool = True
    ) -> Page:
        others = {"en": "tr-TR", "tr": "en-US"}  # the browser's language decides nothing
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            locale=others[language],
            java_script_enabled=script,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(pages[language].as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert problems == []
    assert set(asked) <= {path.as_uri() for path in pages.values()}


def open_details(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")


@in_chromium
@pytest.mark.parametrize("width", [360, 700, 1400])
@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_wider_than_the_window(opened: Opened, width: int, language: str) -> None:
    page = opened(language, width)
    open_details(page)
    beyond = page.evaluate(OVERFLOWING)
    scrolling = page.evaluate("document.querySelectorAll('.scroll, pre').length")
    inside = page.evaluate(
        "[...document.querySelectorAll('.scroll *, pre *')]"
        ".map((one) => one.tagName + '.' + one.className)"
    )
    assert scrolling > 5
    assert [one for one in beyond if one not in inside] == []
    assert page.evaluate("document.documentElement.scrollWidth") == width


@in_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1400])
def test_axe_finds_nothing_that_people_cannot_read(
    opened: Opened, scheme: Scheme, width: int
) -> None:
    page = opened("tr" if width == 360 else "en", width, scheme)
    open_details(page)
    page.locator("[data-bits]").first.hover()
    found = Axe().run(page)
    assert [
        (one["id"], node["html"], node.get("failureSummary"))
        for one in found.response["violations"]
        for node in one["nodes"]
    ] == []


@in_chromium
def test_texts_are_text_whatever_they_hold(opened: Opened) -> None:
    page = opened()
    assert page.title() == "Tohum"
    assert page.locator("script").count() == 1
    assert page.locator("img").count() == 0
    shown = HOSTILE.replace("\u202e", "")
    open_details(page)
    body = page.locator("body").inner_text()
    assert body.count(shown) > 10, "it is there to be read"
    for id in ("data", "files", "writes", "recipe"):
        assert shown in page.locator(f"#{id}").inner_text(), id
    assert shown.replace("&amp;", "&") in page.locator("#card").inner_text(), "as Markdown reads it"
    assert "\u202e" not in page.locator("#tokenizer").inner_text(), "it would turn the line around"


@in_chromium
def test_the_language_is_the_programs_and_can_be_changed(opened: Opened) -> None:
    page = opened("tr")
    expect(page.locator("#data h2")).to_have_text("İçine ne girdi", use_inner_text=True)
    assert page.evaluate("document.documentElement.lang") == "tr"
    page.check("[value=en]", force=True)
    expect(page.locator("#data h2")).to_have_text("What went in", use_inner_text=True)
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.locator(".chart:visible").count() == 5, "each in one language and width"


def test_the_systems_language_is_the_pages_where_nothing_else_is_chosen(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TOHUM_LANG")
    monkeypatch.delenv("LC_ALL", raising=False)
    monkeypatch.delenv("LC_MESSAGES", raising=False)
    monkeypatch.delenv("LANGUAGE", raising=False)
    monkeypatch.setenv("LANG", "tr_TR.UTF-8")
    page = html_page(root, OPTIONS)
    assert '<html lang="tr">' in page
    assert [value in page for value in ('value="tr" checked', 'value="en" checked')] == [
        True,
        False,
    ]


@in_chromium
def test_the_page_is_whole_without_a_script(opened: Opened) -> None:
    page = opened(script=False)
    expect(page.locator("#data h2")).to_have_text("What went in", use_inner_text=True)
    assert page.locator("html").get_attribute("lang") == "en"
    page.locator("text=Türkçe").click()
    expect(page.locator("#data h2")).to_have_text("İçine ne girdi", use_inner_text=True)


@in_chromium
def test_a_token_tells_what_the_model_expected(opened: Opened) -> None:
    page = opened()
    token = page.locator("#files [data-bits]").first
    token.hover()
    readout = page.locator("#files article .readout:visible")
    expect(readout).to_have_count(1)
    bits = float(token.get_attribute("data-bits") or "nan")
    expect(readout.locator(".bits")).to_have_text(f"{round(bits, 1):g}")
    expect(readout.locator(".guess")).to_have_text(token.get_attribute("data-guess") or "")


def test_what_is_missing_leaves_a_sentence(root: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(root, bare, ignore=shutil.ignore_patterns("weights", "plots", ".git"))
    (bare / "models/lm/validation.jsonl").unlink()
    (bare / "data/jsonl/dropped.jsonl").unlink()
    figures = (bare / "metrics/evaluate.json").read_text("utf-8").replace('"completion"', '"none"')
    (bare / "metrics/evaluate.json").write_text(figures, encoding="utf-8")
    page = html_page(bare, OPTIONS)
    for name in ("no_curves", "completion_none", "no_git", "files_missing"):
        assert str(say(name)) in page
    assert "data-bits" in page, "what it writes is coloured all the same"
    files = (root / "models/lm/validation.jsonl").read_bytes()
    (bare / "models/lm/validation.jsonl").write_bytes(files)
    assert str(say("no_weights")) in html_page(bare, OPTIONS)


def test_what_was_left_out_has_its_reasons_and_examples(root: Path) -> None:
    found = read_ingredients(root, 2)
    listed = [(one.reason, one.stage, one.documents, one.bytes) for one in found.left_out]
    assert listed == [
        (HOSTILE, "not_fetched", 4, None),
        (HOSTILE, "by_rule", 6, None),
        ("duplicate", "by_rule", 3, 120),
        ("missing", "was_lost", 1, None),
    ]
    assert [len(one.examples) for one in found.left_out] == [0, 2, 0, 0]


def test_a_conversation_is_asked_its_own_question(root: Path) -> None:
    model = load_language_model(root / "models/lm")
    pairs = (("Hello?", "Yes."), ("And?", "No."))
    split = conversations(root, *pairs)
    assert questions(split, model.vocabulary, 5) == list(pairs)
    assert questions(split, model.vocabulary, 1) == [pairs[0]]
    texts = written_texts(model, root / "conf/prompts.txt", split, 4)
    assert [(text.prompt, text.answer) for text in texts] == list(pairs)


def test_a_model_that_only_talks_has_no_lines_to_complete(root: Path, tmp_path: Path) -> None:
    talk = tmp_path / "talk"
    shutil.copytree(root, talk, ignore=shutil.ignore_patterns(".git", "weights"))
    split = conversations(root, *((f"Question {number}?", "Yes.") for number in range(9)))
    tokens = talk / "data/tokens"
    written = read_split(tokens, "val")
    (tokens / "val.bin").write_bytes(split.ids.astype(written.ids.dtype).tobytes())
    (tokens / "val.offsets.bin").write_bytes(split.offsets.astype(written.offsets.dtype).tobytes())
    assert only_conversations(read_split(tokens, "val"))
    assert not only_conversations(written)
    page = html_page(talk, OPTIONS)
    for name, there in (("writes_talks", True), ("writes_lead", False), ("completion_none", False)):
        assert (str(say(name)) in page) is there, name
    assert 'id="completion"' not in page and 'href="#completion"' not in page
    tokens_shown = page.partition('class="paper tokens"')[2].partition("</div>")[0]
    assert tokens_shown.count("<br>") == 1, "a turn, a line"
    assert page.count('class="question"') == 6
    shutil.copytree(PROJECT / "conf", talk / "conf", dirs_exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(talk)
        said = samples(talk)
    assert said.count("Answer to 'Question ") == 3
    assert "Completion of" not in said
    assert all(letter.isprintable() or letter in "\n\t" for letter in said), "of a random model"


def test_a_command_in_a_text_looks_like_one() -> None:
    shown = str(say("footer"))
    assert shown.count("<code>tohum report --html</code>") == 2
    assert "&lt;code" not in shown


def test_each_token_has_the_bits_that_the_score_gives_it(root: Path) -> None:
    network = load_network(root)
    assert network is not None
    ids = read_split(root / "data/tokens", "val").document(0)
    bits, tops, chances = token_bits(network, ids)
    windows = document_windows(ids, network.config.context_length)
    assert len(windows) > 1 and len(bits) == len(ids) - 1
    nats = window_nats(network, windows, 1, torch.device("cpu"))
    assert bits.sum() * math.log(2) == pytest.approx(nats.sum(), rel=1e-5)
    right = tops == ids[1:]
    assert 2.0 ** -bits[right] == pytest.approx(chances[right], rel=1e-4)
    assert (2.0 ** -bits[~right] <= chances[~right] + 1e-6).all()


def test_best_and_worst_share_no_file_and_pass_stubs_by() -> None:
    files = [HeldOutFile(number, None, None, 500, number / 2) for number in range(7)]
    best, worst = best_and_worst([HeldOutFile(9, None, None, 3, 0.0), *files], 3)
    assert [file.number for file in best] == [0, 1, 2]
    assert [file.number for file in worst] == [6, 5, 4]
    best, worst = best_and_worst(files[:3], 3)
    assert [[file.number for file in part] for part in (best, worst)] == [[0, 1], [2]]
    assert best_and_worst([], 3) == ([], [])


def test_tokens_that_spell_one_character_are_one_piece() -> None:
    words = [b"a", "ş".encode()[:1], "ş".encode()[1:], b"\n", b"\x1b", b" " * 9 + b"x"]
    vocabulary = [b""] * len(SPECIAL_TOKENS) + words
    first = len(SPECIAL_TOKENS)
    ids = [*range(first, first + 5), END_ID]
    pieces = pieces_of(ids, vocabulary, [1.0, 2.0, 0.5, 3.0, 9.0, 0.0])
    assert [piece.text for piece in pieces] == ["a", "ş", "\n", "\\x1b", SPECIAL_TOKENS[END_ID]]
    assert [piece.bits for piece in pieces] == [1.0, 2.5, 3.0, 9.0, 0.0]
    assert [piece.level for piece in pieces] == [0, 2, 2, 4, 0]
    assert [piece.special for piece in pieces] == [False] * 4 + [True]
    assert pieces_of([first + 1], vocabulary)[0].text == "\ufffd"
    assert named(END_ID, vocabulary) == SPECIAL_TOKENS[END_ID]
    assert named(first + 5, vocabulary) == "␣\N{MULTIPLICATION SIGN}9x"


def test_entries_are_counted_in_all_or_in_spaced_parts() -> None:
    ids = numpy.repeat(numpy.arange(4, dtype=numpy.uint16), PART)
    counts, counted = count_entries(ids, 5)
    assert (counts.tolist(), counted) == ([PART] * 4 + [0], 4 * PART)
    counts, counted = count_entries(ids, 5, most=2 * PART)
    assert (counts.tolist(), counted) == ([PART, 0, PART, 0, 0], 2 * PART)


def test_numbers_are_those_of_the_language() -> None:
    shown = {
        language: [
            number.shown(language)
            for number in (Number(1234.5, 1), share(0.125, 1), size(999), size(44_997_380))
        ]
        for language in ("en", "tr")
    }
    assert shown["en"] == ["1,234.5", "12.5%", "999 bytes", "45.0 MB"]
    assert shown["tr"] == ["1.234,5", "%12,5", "999 bayt", "45,0 MB"]
    assert str(say("and_more", count=Number(3))).count("<span") == 2
    assert said(HOSTILE, "tr") == HOSTILE, "a word of the data stays as it is"


def test_every_text_is_there_in_both_languages_with_the_same_values() -> None:
    import re

    for name, texts in page_texts().items():
        assert list(texts) == ["en", "tr"], name
        assert all(texts.values()), name
        rooms = [sorted(re.findall(r"\{(\w+)\}", text)) for text in texts.values()]
        assert rooms[0] == rooms[1], name


def test_a_path_and_keys_can_follow_html() -> None:
    path, options = read_page_options("a.html", ["files=5"], *DEFAULTS) or (None, None)
    assert (path, options and options.files) == (Path("a.html"), 5)
    path, options = read_page_options("files=0", ["examples=1"], *DEFAULTS) or (None, None)
    assert (path, options and options.files) == (DEFAULTS[1], 0)
    assert read_page_options(None, [], *DEFAULTS) is None


@pytest.mark.parametrize(
    ("html", "overrides", "said"),
    [
        ("a.html", ["file=5"], "unknown key 'report.file'. Did you mean 'files'?"),
        ("filez=5", [], "unknown key 'report.filez'. Did you mean 'files'?"),
        ("a.html", ["files=many"], "report.files is 'many', expected a whole number"),
        ("a.html", ["b.html"], "'b.html' is not key=value"),
        (None, ["files=5"], "tohum report --html files=5"),
        (".", [], "is a folder, expected a file"),
    ],
)
def test_what_is_asked_wrongly_is_named(html: Any, overrides: list[str], said: str) -> None:
    with pytest.raises(UserError) as raised:
        read_page_options(html, overrides, *DEFAULTS)
    assert said in str(raised.value)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(UserError, match=r"\.\[report\]"):
        check_charts()
