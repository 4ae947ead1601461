import re
import xml.etree.ElementTree as ET

from tohum.commands.show.drawing import DARK, LIGHT, Drawing, chip_width


def drawn() -> str:
    drawing = Drawing("<title>")
    drawing.chip(10, 10, '<&">', "chip0")
    drawing.text(10, 80, "a < b", "soft")
    drawing.box(0, 90, 5, 5, "first", 0.5, edge="line", tip="&")
    drawing.path([(0, 0), (5, 5)], "second", dashes="1 2")
    drawing.dot(1, 1, "third")
    return drawing.svg()


def test_any_text_gives_xml_that_can_be_read() -> None:
    words = [element.text for element in ET.fromstring(drawn()).iter() if element.text]
    assert {'<&">', "a < b", "&", "<title>"} <= set(words)


def test_it_needs_nothing_from_elsewhere() -> None:
    text = drawn().replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not re.search(r"http|url\(|href|@import|<script|<image", text)


def test_every_colour_has_a_light_and_a_dark_value() -> None:
    assert LIGHT.keys() == DARK.keys()
    light, _, dark = drawn().partition("@media (prefers-color-scheme: dark)")
    assert f".ink{{fill:{LIGHT['ink']}}}" in light
    assert f".ink{{fill:{DARK['ink']}}}" in dark


def test_everything_lies_within_its_height() -> None:
    drawing = Drawing("high")
    drawing.box(0, 300, 10, 50, "pale")
    assert ET.fromstring(drawing.svg()).get("height") == "370"


def test_a_wide_letter_takes_two_columns() -> None:
    assert chip_width("中") == chip_width("ab")
