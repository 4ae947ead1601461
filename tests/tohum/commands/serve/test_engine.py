from typing import Any

from tohum.commands.serve.engine import LEAST_ADOPTED, adopt_longest


class Place:
    """A reader that only remembers."""

    context = 100

    def __init__(self, read: int) -> None:
        self.ids = list(range(read))

    def common(self, ids: Any) -> int:
        return min(len(self.ids), len(ids))

    def adopt(self, other: Any, count: int) -> None:
        self.ids = other.ids[:count]

    def logits(self, ids: Any) -> Any:
        raise AssertionError


def test_a_place_gets_what_another_has_read_of_its_prompt_if_that_is_much_more() -> None:
    prompt = list(range(90))
    little, much = Place(4), Place(4 + LEAST_ADOPTED)
    adopt_longest([little, Place(2), much], little, prompt)
    assert little.ids == much.ids
    nearly = Place(5)
    adopt_longest([nearly, Place(4 + LEAST_ADOPTED)], nearly, prompt)
    assert len(nearly.ids) == 5, "a copy costs more than to read so few"
    alone = Place(0)
    adopt_longest([alone], alone, prompt)
    assert alone.ids == []
