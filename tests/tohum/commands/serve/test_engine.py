from typing import Any

from tohum.cached_decoder import common_start
from tohum.commands.serve.engine import LEAST_SHARED, adopt_longest, least_wanted


class Place:
    """A reader that only remembers."""

    context = 100

    def __init__(self, read: int, first: int = 0) -> None:
        self.ids = list(range(first, first + read))

    def common(self, ids: Any) -> int:
        return common_start(self.ids, ids)

    def adopt(self, other: Any, count: int) -> None:
        self.ids = other.ids[:count]

    def logits(self, ids: Any) -> Any:
        raise AssertionError


def test_a_place_gets_what_another_has_read_of_its_prompt_if_that_is_much_more() -> None:
    prompt = list(range(90))
    little, much = Place(4), Place(4 + LEAST_SHARED)
    adopt_longest([little, Place(2), much], little, prompt)
    assert little.ids == much.ids
    nearly = Place(5)
    adopt_longest([nearly, Place(4 + LEAST_SHARED)], nearly, prompt)
    assert len(nearly.ids) == 5, "a copy costs more than to read so few"
    alone = Place(0)
    adopt_longest([alone], alone, prompt)
    assert alone.ids == []


def test_a_new_text_takes_no_place_that_somebody_may_come_back_to() -> None:
    old, copy, unused = Place(50), Place(45), Place(0)
    other = Place(50, first=100)
    assert least_wanted([old, other, copy], [old, other, copy]) is old, "the copy has all but five"
    assert least_wanted([other, copy], [old, other, copy]) is copy
    assert least_wanted([unused, copy], [old, unused, copy, other]) is copy
    assert least_wanted([other, unused], [other, unused]) is other, "free for longest"
