"""Has one model write for many clients at once, a few tokens for each in turn.

The model runs in a thread of its own. A text goes into a queue without limit but its length, so a
client that reads slowly, or not at all, keeps nobody waiting; one that leaves is dropped at the
next token.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field

from tohum.formats.special_tokens import END_OF_TEXT_ID
from tohum.inference import Continuation, LanguageModel, RememberingReader

# Pieces of text that one client gets before the next one's turn. The processor's cache has one
# client's text, so few turns save time; a client who has nothing yet comes next.
TURN = 32
AT_ONCE = 8  # texts that are written at the same time
PLACES = 16  # each keeps what it has read, so that a client who comes back finds it
# Ids that are worth reading on from, or a copy, which takes a millisecond. The first three of
# each middle are the same, whatever the file.
LEAST_SHARED = 32
COPIED = 0.75  # of a place's ids that another has too

Begin = Callable[[RememberingReader], Continuation]


@dataclass(frozen=True)
class Piece:
    """Some text, and how many of its continuation's steps were kept when it was complete."""

    text: str
    steps: int


@dataclass
class Job:
    """A text that a client has asked for.

    `streamed` says whether each piece is awaited, or only the end; `apart`, whether pieces that
    come together stay apart, as they must where each has its probabilities. `continuation` is there
    once the model has begun; the times are seconds.
    """

    begin: Begin
    loop: asyncio.AbstractEventLoop
    prompt_ids: list[int]
    streamed: bool = True
    apart: bool = False
    pieces: "deque[Piece | Exception | None]" = field(default_factory=deque)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    told: bool = False
    continuation: Continuation | None = None
    cancelled: bool = False
    cached: int = 0
    prompt_seconds: float = 0.0
    writing_seconds: float = 0.0

    def send(self, piece: "Piece | Exception | None") -> None:
        """Gives the client a piece, an error, or None at the end; from the model's thread."""
        self.pieces.append(piece)
        if self.told or (isinstance(piece, Piece) and not self.streamed):
            return
        self.told = True  # one call for all pieces until the loop comes to it
        try:
            self.loop.call_soon_threadsafe(self._tell)
        except RuntimeError:  # the loop is closed: the server ends
            self.cancelled = True

    def _tell(self) -> None:
        self.told = False  # before the client looks: a later piece is told again
        self.arrived.set()


def _joined(pieces: list[Piece]) -> Piece:
    return Piece("".join(piece.text for piece in pieces), pieces[-1].steps)


class Engine:
    """The model's thread. A context manager: at its end the thread ends."""

    def __init__(self, model: LanguageModel) -> None:
        self.model = model
        self._places = [model.passage() for _ in range(PLACES)]
        self._free = list(self._places)
        self._waiting: deque[Job] = deque()
        self._change = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)

    def __enter__(self) -> "Engine":
        # so that the first client doesn't wait for compilers
        self._free[0].logits([END_OF_TEXT_ID])
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        with self._change:
            self._ended = True
            self._change.notify()
        self._thread.join()

    async def write(self, job: Job) -> AsyncIterator[Piece]:
        """Yields a job's text in pieces. A caller that stops early cancels it."""
        with self._change:
            self._waiting.append(job)
            self._change.notify()
        try:
            while True:
                await job.arrived.wait()
                job.arrived.clear()
                while job.pieces:
                    if come := list(self._pieces_of(job)):
                        for piece in come if job.apart else [_joined(come)]:
                            yield piece
                        continue
                    end = job.pieces.popleft()
                    if isinstance(end, Exception):
                        raise end
                    return
        finally:
            job.cancelled = True

    def _pieces_of(self, job: Job) -> Iterator[Piece]:
        """Yields the pieces that have come up to the end."""
        while job.pieces and isinstance(piece := job.pieces[0], Piece):
            job.pieces.popleft()
            yield piece

    def _run(self) -> None:
        active: deque[tuple[Job, RememberingReader, Iterator[str]]] = deque()
        while True:
            with self._change:
                while not (active or self._waiting or self._ended):
                    self._change.wait()
                if self._ended:
                    break
                new: list[tuple[Job, RememberingReader, Iterator[str]]] = []
                while len(active) + len(new) < AT_ONCE and self._waiting:
                    job = self._waiting.popleft()
                    if not job.cancelled:
                        new.append((job, self._place(job), iter(())))
                active.extendleft(reversed(new))
            if not active:
                continue
            job, passage, pieces = active.popleft()
            try:
                if job.continuation is None:
                    adopt_longest(self._places, passage, job.prompt_ids)
                    job.cached = passage.common(job.prompt_ids)
                    started = time.monotonic()
                    job.continuation = job.begin(passage)  # reads a prompt that is only to be warm
                    job.prompt_seconds += time.monotonic() - started
                    pieces = iter(job.continuation)
                if self._turn(job, pieces):
                    active.append((job, passage, pieces))
                    continue
                job.send(None)
            except Exception as error:
                job.send(error)
            self._free.append(passage)
        for job in (*self._waiting, *(job for job, _, _ in active)):
            job.send(None)

    def _place(self, job: Job) -> RememberingReader:
        """Returns the free place that has read most of the job's prompt, or the least wanted."""
        best = max(self._free, key=lambda place: place.common(job.prompt_ids))
        if best.common(job.prompt_ids) < min(LEAST_SHARED, len(job.prompt_ids) // 2):
            best = least_wanted(self._free, self._places)
        self._free.remove(best)
        return best

    def _turn(self, job: Job, pieces: Iterator[str]) -> bool:
        """Writes some pieces of a job's text; returns whether there are more."""
        assert job.continuation is not None
        started = time.monotonic()
        try:
            for _ in range(TURN):
                if job.cancelled:
                    return False
                text = next(pieces, None)
                if text is None:
                    return False
                job.send(Piece(text, len(job.continuation.steps)))
            return True
        finally:
            ended, first = time.monotonic(), job.continuation.first_at
            if first is not None and first > started:
                job.prompt_seconds += first - started
                job.writing_seconds += ended - first
            else:
                job.writing_seconds += ended - started


def least_wanted(
    free: list[RememberingReader], places: list[RememberingReader]
) -> RememberingReader:
    """Returns the free place whose text is mostly in another place too, or else the one that has
    been free for longest: the others have what their clients come back to.
    """

    def is_copy(place: RememberingReader) -> bool:
        others = (other for other in places if other is not place)
        return any(other.common(place.ids) > COPIED * len(place.ids) for other in others)

    return next(filter(is_copy, free), free[0])


def adopt_longest(
    places: list[RememberingReader], place: RememberingReader, ids: list[int]
) -> None:
    """Gives a place what another one, at work or not, has read of a prompt, if that is much more:
    clients who ask about one file, or for several texts on one prompt, have it read once.
    """
    other = max(places, key=lambda other: other.common(ids))
    count = other.common(ids)
    if count - place.common(ids) >= LEAST_SHARED:
        place.adopt(other, count)
