"""Rows that hold their contents: nothing to fetch, the same way to results."""

from collections.abc import Callable
from typing import Any

from tohum.fetch.pool import Done, Tasks
from tohum.fetch.retries import Lost


class InlineContents:
    """Works on rows by their column `content`."""

    runners = 1

    def __init__(self, work: Callable[[Any, bytes | Lost], tuple[int, bytes]]) -> None:
        self.work = work

    def run(self, tasks: Tasks, done: Done) -> None:
        """Works until None comes among the tasks, and calls `done` with each result."""
        while (task := tasks.get()) is not None:
            content = (task[2]["content"] or "").encode()
            done(task, *self.work(task[2], content))
