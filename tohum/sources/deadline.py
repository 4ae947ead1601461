"""Ends a question to a library that sets no limit to the time of its answer as a whole."""

import threading
from collections.abc import Callable
from typing import TypeVar

Answer = TypeVar("Answer")


def answer_in_time(question: Callable[[], Answer], seconds: float) -> Answer:
    """Returns the answer, or raises what the question raises.

    Raises:
        TimeoutError: there is none after so many seconds. The question's thread is left behind; it
            does not keep the process from ending.
    """
    answers: list[Answer] = []
    errors: list[BaseException] = []

    def ask() -> None:
        try:
            answers.append(question())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=ask, name="question", daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not answers:
        raise TimeoutError(f"no complete answer within {seconds:g} s")
    return answers[0]
