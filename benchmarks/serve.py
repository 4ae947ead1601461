"""How fast suggestions come while someone types, next to transformers' and llama.cpp's servers.

    python -m benchmarks.serve [--keystrokes 500] [--requests 1000]
    python -m benchmarks.serve --requests 10000     is its memory flat?

One stretch of each of some files of Python's standard library, which no default source contains, is
typed. Each letter sends a request, with the text before and after the cursor, and cancels the
previous one. After each fifth letter the typist waits for the answer, and only then is anything
measured. All servers get the same letters, in turn, and one thread for the model: ours with the
whole file, the others with what fits their context, which they do not cut themselves.

The model is models/lm if it is trained, otherwise one of random weights and the shape of the
default preset, with a tokenizer trained on installed packages; llama.cpp has it as `tohum export`
writes it. Then one client and eight clients ask ours at full speed, and its memory is watched.
"""

import argparse
import json
import math
import shutil
import statistics
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch
from tokenizers import Tokenizer
from transformers import PreTrainedModel

from benchmarks.projects import PROJECT, run_stage, write_values
from benchmarks.serve_contenders import (
    LLAMA_CPP,
    MODULES,
    OURS,
    TRANSFORMERS,
    Contender,
    Timed,
    receive,
    running,
    send,
)
from benchmarks.targets import report, taking_part
from stages.compose.checking import check
from stages.compose.composition import compose
from stages.evaluate.export import transformers_model, write_model
from tohum.commands.export.gguf_file import write_gguf
from tohum.decoding import middle_prompt
from tohum.formats.special_tokens import MIDDLE_ID
from tohum.formats.tokenizer import load_tokenizer, token_bytes

FILES = ("argparse", "ast", "configparser", "difflib", "doctest", "inspect", "optparse", "shutil",
         "tarfile", "textwrap")  # fmt: skip
TOKENS = 64
BURST = 5  # letters; the last one's answer is waited for
SELDOM = {TRANSFORMERS: 4}  # of so many bursts, one: its answers take seconds
PAUSE = 0.04  # seconds between letters: as fast as a keyboard repeats
CLIENTS = 8
ASKED, ROUNDS = 12, 6  # requests of each of the clients, and how often they take turns


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keystrokes", type=int, default=500)
    parser.add_argument("--requests", type=int, default=1000)
    arguments = parser.parse_args()
    if arguments.keystrokes < BURST or arguments.requests < BURST:
        parser.error(f"--keystrokes and --requests must be at least {BURST}")
    names = taking_part((OURS, TRANSFORMERS, LLAMA_CPP), MODULES)
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        project = Path(name)
        tokenizer, context = prepare(project)
        contenders = [stack.enter_context(running(name, project, context)) for name in names]
        letters = list(keystrokes(arguments.keystrokes))
        timed = replay(contenders, letters, tokenizer, context - TOKENS - 8)
        holds = compare(timed)
        holds &= throughput(contenders[0])
        holds &= memory(contenders[0], letters, arguments.requests)
    sys.exit(0 if holds else 1)


def prepare(project: Path) -> tuple[Tokenizer, int]:
    """Makes a project with models/lm and models/lm.gguf; returns the tokenizer and the context."""
    write_values(project, ["source=packages", "source.max_bytes=4000000"])
    lm = project / "models/lm"
    config = check(compose(PROJECT / "conf", []))
    if (PROJECT / "models/lm/model.safetensors").is_file():
        shutil.copytree(PROJECT / "models/lm", lm)
    else:
        print("models/lm is not trained: random weights instead", flush=True)
        for stage in ("download", "jsonl", "pretokens", "tokenizer"):
            run_stage(project, stage)
        torch.manual_seed(0)
        entries = load_tokenizer(project / "models/tokenizer").get_vocab_size()
        lm.mkdir()
        model = silenced(transformers_model(config.model, entries), project / "models/tokenizer")
        write_model(model, lm, project / "models/tokenizer")
    write_gguf(lm, project / "models/lm.gguf", "float32")
    context = json.loads((lm / "config.json").read_text("utf-8"))["max_position_embeddings"]
    return load_tokenizer(lm), int(context)


def silenced(model: PreTrainedModel, tokenizer: Path) -> PreTrainedModel:
    """Returns random weights that write only words of ASCII letters: what others write, such as
    halves of characters and the end of the text, has no length that could be timed.
    """
    words = token_bytes(load_tokenizer(tokenizer))
    embedding: torch.Tensor = model.state_dict()["model.embed_tokens.weight"]
    with torch.no_grad():
        for id, word in enumerate(words):
            if not (word.isascii() and word.strip().isalpha()):
                embedding[id] = 0
    return model


@dataclass
class Keystroke:
    """The texts before and after the cursor once a letter is typed."""

    prefix: str
    suffix: str


def keystrokes(count: int, place: float = 0.5) -> Iterator[Keystroke]:
    """Yields letters typed in turn into each of the files, each in one stretch from a line on.

    Args:
        count: of all letters.
        place: in each file, from 0 to 1, after which the line is.
    """
    for number, name in enumerate(FILES):
        path = Path(sysconfig.get_path("stdlib"), f"{name}.py")
        text = path.read_text(encoding="utf-8")
        start = text.index("\n    def ", int(len(text) * place)) + 1
        typed = count // len(FILES) + (number < count % len(FILES))
        for end in range(start + 1, start + 1 + typed):
            yield Keystroke(text[:end], text[start + typed :])


def replay(
    contenders: list[Contender], letters: list[Keystroke], tokenizer: Tokenizer, room: int
) -> dict[str, list[Timed]]:
    """Types the letters, five with each contender in turn; returns what was measured."""
    for contender in contenders:  # what is compiled or loaded at the first request
        receive(send(contender, "import ", "\n", TOKENS), time.perf_counter())
    timed: dict[str, list[Timed]] = {contender.name: [] for contender in contenders}
    for start in range(0, len(letters) - BURST + 1, BURST):
        burst = letters[start : start + BURST]
        for contender in contenders:
            if start // BURST % SELDOM.get(contender.name, 1):
                continue
            texts = [fitting(letter, tokenizer, room) for letter in burst]
            chosen = burst if contender.name == OURS else texts
            timed[contender.name].append(type_burst(contender, chosen))
        contenders = contenders[1:] + contenders[:1]
    return timed


def type_burst(contender: Contender, letters: list[Keystroke]) -> Timed:
    """Types letters, each of which cancels the request before, and waits after the last."""
    for letter in letters[:-1]:
        with send(contender, letter.prefix, letter.suffix, TOKENS):
            time.sleep(PAUSE)
    started = time.perf_counter()
    return receive(send(contender, letters[-1].prefix, letters[-1].suffix, TOKENS), started)


def fitting(letter: Keystroke, tokenizer: Tokenizer, room: int) -> Keystroke:
    """Returns the text around the cursor that fits into a context, as our server cuts it."""
    ids = middle_prompt(tokenizer, letter.prefix, letter.suffix, room).ids
    middle = ids.index(MIDDLE_ID)
    return Keystroke(tokenizer.decode(ids[middle + 1 :]), tokenizer.decode(ids[3:middle]))


def compare(timed: dict[str, list[Timed]]) -> bool:
    """Prints the times and returns whether the targets hold."""
    first, many, late = {}, {}, {}
    print(f"{'':20} first text     95 %  {TOKENS} tokens  ms, after {len(timed[OURS])} bursts")
    for name, found in timed.items():
        times = sorted(1000 * each.first for each in found)
        first[name], late[name] = statistics.median(times), times[int(0.95 * len(times))]
        # An answer that the model ended after a few tokens tells no pace.
        paces = [1000 * each.until(TOKENS) for each in found if each.tokens >= TOKENS // 4]
        many[name] = statistics.median(paces) if paces else math.nan
        print(f"{name:20} {first[name]:10.1f} {late[name]:8.1f} {many[name]:10.1f}")
    targets = [
        report("first suggestion, ms", first[OURS], "at most", 60),
        report("first suggestion, 95th percentile, ms", late[OURS], "at most", 150),
        report(f"{TOKENS} tokens, ms", many[OURS], "at most", 250),
    ]
    for other, least in ((TRANSFORMERS, 3.0), (LLAMA_CPP, 1.0)):
        for what, figures in (("first suggestion", first), (f"{TOKENS} tokens", many)):
            their = figures.get(other, math.nan)  # nor does it if its answers tell no pace
            ratio = None if math.isnan(their) else their / figures[OURS]
            targets.append(report(f"{what}, {other} / ours", ratio, "at least", least))
    return all(targets)


def throughput(server: Contender) -> bool:
    """Compares eight clients, each of whom types in a file, with one who types in one after the
    other; returns whether they get as much together.

    Each time it is somewhere else in the files, so that nothing has been read before.
    """
    rates: dict[int, list[float]] = {1: [], CLIENTS: []}
    for turn in range(2 * ROUNDS):
        clients = (1, CLIENTS)[(turn + turn // 2) % 2]  # each comes first as often
        letters = list(keystrokes(len(FILES) * ASKED, 0.1 + 0.7 * turn / (2 * ROUNDS)))
        files = [letters[each * ASKED : (each + 1) * ASKED] for each in range(CLIENTS)]
        with ThreadPoolExecutor(clients) as pool:
            started = time.perf_counter()
            tokens = sum(pool.map(lambda file: typed(server, file), files))
            rates[clients].append(tokens / (time.perf_counter() - started))
    one, many = statistics.median(rates[1]), statistics.median(rates[CLIENTS])
    print(f"tokens per second: {one:.0f} for one client, {many:.0f} for {CLIENTS} together")
    return report(f"throughput with {CLIENTS} clients / with one", many / one, "at least", 1.0)


def typed(server: Contender, letters: list[Keystroke]) -> int:
    """Waits for the answer to each letter; returns how many tokens came."""
    return sum(ask(server, letter).tokens for letter in letters)


def ask(server: Contender, letter: Keystroke) -> Timed:
    """Waits for one answer."""
    return receive(send(server, letter.prefix, letter.suffix, TOKENS), time.perf_counter())


def memory(server: Contender, letters: list[Keystroke], requests: int) -> bool:
    """Asks, every third time without waiting for the end; returns whether memory stays flat."""
    process, sizes = psutil.Process(server.process), []
    for number in range(requests):
        letter = letters[number % len(letters)]
        if number % 3:
            ask(server, letter)
        else:
            send(server, letter.prefix, letter.suffix, TOKENS).close()
        if number + 1 in (requests // 5, requests):
            sizes.append(process.memory_info().rss)
    early, late = sizes
    print(f"memory: {early / 1e6:.0f} MB after {requests // 5} requests, {late / 1e6:.0f} MB after "
          f"{requests}")  # fmt: skip
    return report(
        "memory at the end / after a fifth of the requests", late / early, "at most", 1.05
    )


if __name__ == "__main__":
    main()
