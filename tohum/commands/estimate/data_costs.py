"""What the data stages will take, from what they took on two samples.

Where a stage reads everything once, seconds and bytes grow with the text; where it works on the
different pretokens, with their number, which grows with a power of the text (Heaps 1978). Memory
grows with few things, which the functions name.
"""

import math
from dataclasses import dataclass, field
from types import SimpleNamespace

from stages.encode.encoding import INLINE_BYTES
from stages.jsonl.candidates import UNIT_BYTES
from stages.jsonl.preparing import INLINE_UNITS
from stages.pretokens.config import bytes_of
from tohum.commands.estimate.sample_runs import SampleRun, Samples, WideRun
from tohum.config.runtime import Runtime

GROUP_ROWS = 1 << 20  # rows of the pretokens' table that are written at once
GROUP_ROW_MEMORY = 116  # bytes that each takes meanwhile; measured on 0.2 and 1.2 million
WORD_MEMORY = 42  # bytes of a different pretoken while the tokenizer trains; likewise
RUN_ROW_BYTES = 12  # of a pretoken in a sorted run, beside its text
DOCUMENT_MEMORY = 64  # bytes of a document while duplicates are looked for
WORKER_SECONDS = 0.6  # of the processor, to start one
ENCODER_MEMORY = 150_000_000  # bytes that one more process of encode takes; measured with two
# Seconds of the processor for a byte at the least, where starting the stage hides what it reads:
# measured on 600 MB of JSONL on an AMD EPYC.
LEAST = {"download": 3e-9, "jsonl": 8e-9}
PLANNING_PART = 0.3  # of jsonl's seconds of writing: one process plans; measured on 2 GB
EFFICIENCY = 0.9  # of the second core and each further one: Python's lock, and the memory
HEAPS = (0.4, 1.0)  # the exponents that texts have


@dataclass
class StageCost:
    """What a stage will take.

    Attributes:
        seconds: None if it can't be told here.
        memory: bytes, at most, of all its processes.
        output: bytes that stay.
        work: bytes in .work meanwhile, beside the outputs.
        requests: to servers.
        decided_by: what decides the figures, in words.
        notes: what to know, or to do.
        problems: why it won't run here.
        processor: seconds of all cores together, of the stages that read the data.
    """

    stage: str
    seconds: float | None
    memory: int
    output: int
    work: int = 0
    requests: int = 0
    decided_by: str = ""
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    processor: float = 0.0


@dataclass
class Corpus:
    """What the data of a source will come to: bytes of text, documents, shards, different
    pretokens, tokens; `share` is that of the large sample.
    """

    share: float
    raw: int
    jsonl: int
    text: int
    documents: int
    shards: int
    different: int
    tokens: int


def parallel(workers: int, cores: int) -> float:
    """Returns by how much several workers divide the processor's seconds of their work."""
    return 1 + EFFICIENCY * (max(1, min(workers, cores)) - 1)


def heaps_exponent(small: SampleRun, large: SampleRun | WideRun) -> float:
    """Returns the exponent with which the different pretokens grow from one sample to the other."""
    if large.text <= small.text or large.different <= small.different:
        return HEAPS[0]
    grown = math.log(large.different / small.different) / math.log(large.text / small.text)
    return min(max(grown, HEAPS[0]), HEAPS[1])


def corpus_of(samples: Samples, config: SimpleNamespace) -> Corpus:
    """Returns what the whole source comes to."""
    large = samples.large
    times = 1 / large.share
    different = large.different
    if times > 1:
        largest = samples.wide or large
        before = large if samples.wide else samples.small
        more = max(1.0, large.text * times / largest.text)
        different = round(largest.different * more ** heaps_exponent(before, largest))
    shard_bytes = config.jsonl.shard_bytes or large.jsonl * times
    return Corpus(
        share=large.share,
        raw=round(large.raw * times),
        jsonl=round(large.jsonl * times),
        text=round(large.text * times),
        documents=round(large.documents * times),
        shards=max(1, math.ceil(large.jsonl * times / shard_bytes)),
        different=different,
        tokens=round(large.encoded * times),
    )


def slope(samples: Samples, stage: str, unit: str, less: float = 0) -> float:
    """Returns the processor's seconds per unit of what a stage reads, from the difference of the
    smallest sample and the widest that ran it; 0 if they are one.

    Args:
        unit: the samples' attribute that counts it: raw, text or different.
        less: seconds that only the widest sample took.
    """
    small: SampleRun = samples.small
    last: SampleRun | WideRun = samples.large
    if samples.wide is not None and stage in samples.wide.stages:
        last = samples.wide
    more: int = getattr(last, unit) - getattr(small, unit)
    if more <= 0:
        return 0.0
    spent = last.stages[stage].processor - small.stages[stage].processor - less
    return max(0.0, spent) / more


def wide_slope(samples: Samples, stage: str, less: float = 0) -> float:
    """Returns the processor's seconds per byte of data/raw, from the wide sample if any."""
    if samples.wide is None:
        found = slope(samples, stage, "raw", less)
        return found if samples.small is samples.large else max(found, LEAST[stage])
    more = samples.wide.stages[stage].processor - samples.large.stages[stage].processor
    return max(LEAST[stage], more / max(1, samples.wide.raw - samples.large.raw))


def judging_part(samples: Samples) -> float:
    """Returns the part, in [0, 1], of the seconds that a byte takes in jsonl, that is spent on
    judging documents; the rest is on writing them.
    """
    large = samples.large.stages["jsonl"]
    turned, spent = large.turned or large.processor, large.processor
    if samples.wide is not None:
        wide = samples.wide.stages["jsonl"]
        if wide.turned is not None and wide.processor > spent:
            return min(1.0, max(0.0, (wide.turned - turned) / (wide.processor - spent)))
    return turned / spent


def data_costs(
    samples: Samples, config: SimpleNamespace, runtime: Runtime, cores: int, requests: int
) -> list[StageCost]:
    """Returns what the stages from download to encode will take."""
    corpus = corpus_of(samples, config)
    return [
        _download(samples, corpus, requests),
        _jsonl(samples, corpus, config, runtime, cores),
        _pretokens(samples, corpus, config, runtime, cores),
        _tokenizer(samples, corpus, config),
        _encode(samples, corpus, runtime, cores),
    ]


def _download(samples: Samples, corpus: Corpus, requests: int) -> StageCost:
    small, large = samples.small, samples.large
    measured = large.stages["download"]
    if requests:  # the network decides
        per_byte = max(0.0, measured.seconds - small.stages["download"].seconds) / max(
            1, large.raw - small.raw
        )
        seconds = measured.seconds + per_byte * (corpus.raw - large.raw)
    else:
        per_byte = wide_slope(samples, "download")
        seconds = measured.processor + per_byte * (corpus.raw - large.raw)
    return StageCost(
        "download",
        seconds,
        measured.memory,
        corpus.raw,
        requests=requests,
        decided_by="the network" if requests else "the bytes of the source",
        processor=seconds,
    )


def _jsonl(
    samples: Samples, corpus: Corpus, config: SimpleNamespace, runtime: Runtime, cores: int
) -> StageCost:
    small, large = samples.small, samples.large
    measured = large.stages["jsonl"]
    pooled = runtime.workers > 1 and corpus.raw >= (INLINE_UNITS + 1) * UNIT_BYTES
    started = runtime.workers * WORKER_SECONDS if pooled else 0.0
    spent = wide_slope(samples, "jsonl", started)
    alone = 1 - judging_part(samples)  # what is one process's
    if config.jsonl.shard_bytes is not None:
        alone *= PLANNING_PART
    divided = parallel(runtime.workers, cores) if pooled else 1.0
    fixed = max(0.0, small.stages["jsonl"].processor - spent * small.raw)
    seconds = fixed + started / divided + spent * corpus.raw * ((1 - alone) / divided + alone)
    prepared = corpus.text + 64 * corpus.documents
    memory = measured.memory + DOCUMENT_MEMORY * (corpus.documents - large.documents)
    return StageCost(
        "jsonl",
        seconds,
        round(memory),
        corpus.jsonl,
        prepared,
        decided_by="bytes of the source, rules; memory: workers",
        processor=fixed + started + spent * corpus.raw,
    )


def _pretokens(
    samples: Samples, corpus: Corpus, config: SimpleNamespace, runtime: Runtime, cores: int
) -> StageCost:
    small, large = samples.small, samples.large
    measured = large.stages["pretokens"]
    per_byte = slope(samples, "pretokens", "text")
    workers = min(runtime.workers, corpus.shards)
    fixed = max(0.0, small.stages["pretokens"].processor - per_byte * small.text)
    seconds = fixed + per_byte * corpus.text / parallel(workers, cores)
    rows = min(corpus.different, GROUP_ROWS) - min(large.different, GROUP_ROWS)
    table = large.pretokens / max(1, large.different)
    in_shard = large.different * min(1.0, corpus.text / corpus.shards / large.text) ** (
        heaps_exponent(small, large)
    )
    runs = (corpus.shards * in_shard + corpus.different) * (table + RUN_ROW_BYTES / 2)
    memory = min(
        measured.memory + GROUP_ROW_MEMORY * rows,
        measured.memory + bytes_of(config.pretokenizer.max_memory),
    )
    return StageCost(
        "pretokens",
        seconds,
        round(memory),
        round(table * corpus.different),
        round(runs),
        decided_by="bytes of text; memory: different pretokens",
        processor=fixed + per_byte * corpus.text,
    )


def _tokenizer(samples: Samples, corpus: Corpus, config: SimpleNamespace) -> StageCost:
    large = samples.large
    measured = large.stages["tokenizer"]
    per_word = slope(samples, "tokenizer", "different")
    more = corpus.different - large.different
    memory = measured.memory + WORD_MEMORY * more
    notes = []
    if large.reached < config.tokenizer.vocab_size and corpus.share < 1:
        notes.append(
            f"the sample gave only {large.reached:,} of {config.tokenizer.vocab_size:,} entries"
        )
    return StageCost(
        "tokenizer",
        measured.processor + per_word * more,
        round(memory),
        large.tokenizer,
        large.tokenizer,
        decided_by=f"{corpus.different:,} different pretokens, vocab_size",
        processor=measured.processor + per_word * more,
        notes=notes,
    )


def _encode(samples: Samples, corpus: Corpus, runtime: Runtime, cores: int) -> StageCost:
    small, large = samples.small, samples.large
    measured = large.stages["encode"]
    per_byte = slope(samples, "encode", "text")
    fixed = max(0.0, small.stages["encode"].processor - per_byte * small.text)
    workers = 1
    if large.share < 1 and corpus.jsonl >= INLINE_BYTES:  # the sample took one process
        workers = min(runtime.workers, corpus.shards)
    started = workers * WORKER_SECONDS if workers > 1 else 0.0
    divided = parallel(workers, cores)
    output = round(large.tokens / large.share)
    return StageCost(
        "encode",
        fixed + (started + per_byte * corpus.text) / divided,
        measured.memory + (workers - 1) * ENCODER_MEMORY,
        output,
        output,
        decided_by="bytes of text; memory: workers; .work: the tokens once more",
        processor=fixed + started + per_byte * corpus.text,
    )
