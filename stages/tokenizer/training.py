"""Trains a tokenizer directory that `tokenizers` and `transformers` load as is."""

import csv
import logging
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers
from tokenizers import Tokenizer as HuggingFaceTokenizer

from stages.tokenizer.config import Tokenizer
from stages.tokenizer.merge_list import MergeList, merge_list
from stages.tokenizer.merges import Merge, token_counts
from stages.tokenizer.tiktoken_format import write_tiktoken
from tohum.errors import UserError
from tohum.files import atomic_write, fresh, publish, write_json
from tohum.formats.alphabet import FIRST_ID, alphabet_order, byte_characters, byte_ids
from tohum.formats.chat_template import write_chat_template
from tohum.formats.pretoken_table import META, check_table, read_meta
from tohum.formats.special_tokens import SPECIAL_TOKENS
from tohum.formats.tokenizer import token_bytes
from tohum.workdir import open_workdir, work_key

CURVE_POINTS = 64

log = logging.getLogger(__name__)


def train_tokenizer(
    config: Tokenizer, pretokens: Path, out: Path, metrics: Path, plot: Path
) -> None:
    """Trains on the table in `pretokens` and writes the tokenizer, its metrics and its curve.

    Raises:
        UserError: the table is empty.
    """
    meta = read_meta(pretokens)
    if not meta["different_pretokens"]:
        raise UserError(f"{pretokens} holds no pretokens: the corpus is empty.")
    check_table(pretokens)
    with open_workdir("tokenizer", work_key("tokenizer", [config], [pretokens / META])) as work:
        trained = merge_list(pretokens, config.vocab_size, config.min_frequency)
        finished = fresh(work / "tokenizer")
        tokenizer = build_tokenizer(alphabet_order(), trained.merges, meta["pattern"])
        write_tokenizer(finished, tokenizer, trained.merges)
        publish(finished, out)
        curve = bytes_per_token_curve(meta["bytes"], FIRST_ID, trained.merges)
        _write_curve(plot, curve)
        write_json(metrics, _metrics(config, meta, curve, trained, tokenizer))
    if curve[-1][0] < config.vocab_size:
        log.info(
            "%d entries, fewer than vocab_size %d: no more pairs are seen min_frequency (%d) times",
            curve[-1][0],
            config.vocab_size,
            config.min_frequency,
        )
    log.info("%d entries, %.3f bytes per token", *curve[-1])


def build_tokenizer(order: list[int], merges: list[Merge], pattern: str) -> HuggingFaceTokenizer:
    """Returns the byte-level BPE tokenizer: special tokens first, then the bytes in `order`, then
    the merges.
    """
    characters = byte_characters()
    tokens = [*SPECIAL_TOKENS, *(characters[byte] for byte in order)]
    pairs = []
    for merge in merges:
        left, right = tokens[merge.left], tokens[merge.right]
        pairs.append((left, right))
        tokens.append(left + right)
    tokenizer = HuggingFaceTokenizer(
        models.BPE(vocab={token: id for id, token in enumerate(tokens)}, merges=pairs)
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(
        [AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS]
    )
    return tokenizer


def write_tokenizer(folder: Path, tokenizer: HuggingFaceTokenizer, merges: list[Merge]) -> None:
    """Writes tokenizer.json, what else AutoTokenizer needs, merges.csv (each merge with its counts)
    and tokenizer.tiktoken.
    """
    with atomic_write(folder / "tokenizer.json", "w") as file:
        file.write(tokenizer.to_str(pretty=True))
    write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": "<|endoftext|>",
            "eos_token": "<|endoftext|>",
            "pad_token": "<|pad|>",
            "clean_up_tokenization_spaces": False,
        },
    )
    write_chat_template(folder)
    with atomic_write(folder / "merges.csv", "w") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["id", "left", "right", "count", "saved"])
        for merge in merges:
            rows.writerow([merge.id, merge.left, merge.right, merge.count, merge.saved])
    write_tiktoken(folder / "tokenizer.tiktoken", token_bytes(tokenizer))


def bytes_per_token_curve(
    total_bytes: int, first_id: int, merges: list[Merge]
) -> list[tuple[int, float]]:
    """Returns (vocabulary entries, bytes per token on the training corpus), from no merge to all.

    Nothing is encoded: a merge that saves `n` tokens shortens the corpus by exactly `n`.
    """
    tokens = total_bytes
    curve = [(first_id, 1.0)]
    for merge in merges:
        tokens -= merge.saved
        curve.append((merge.id + 1, total_bytes / tokens))
    return curve


def _write_curve(path: Path, curve: list[tuple[int, float]]) -> None:
    step = max(1, len(curve) // CURVE_POINTS)
    chosen = [*curve[:-1:step], curve[-1]]
    with atomic_write(path, "w") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["vocab_size", "bytes_per_token"])
        rows.writerows((size, f"{ratio:.6f}") for size, ratio in chosen)


def _metrics(
    config: Tokenizer,
    meta: dict[str, Any],
    curve: list[tuple[int, float]],
    trained: MergeList,
    tokenizer: HuggingFaceTokenizer,
) -> dict[str, Any]:
    merges = trained.merges
    counts = token_counts(byte_ids(), trained.byte_counts, FIRST_ID, merges)[len(SPECIAL_TOKENS) :]
    return {
        "vocab_size": curve[-1][0],
        "vocab_size_asked": config.vocab_size,
        "bytes_per_token": round(curve[-1][1], 6),
        "last_merge_count": merges[-1].count if merges else None,
        "pretokens": meta["pretokens"],
        "different_pretokens": meta["different_pretokens"],
        "unused_bytes": counts[:256].count(0),
        "unused_merges": counts[256:].count(0),
        "bytes_round_trip": loses_no_byte(tokenizer),
    }


def loses_no_byte(tokenizer: HuggingFaceTokenizer) -> bool:
    """Whether any bytes, valid UTF-8 or not, survive a round trip through their own tokens."""
    characters = byte_characters()
    data = bytes(range(256)) + b"\xff\xc0\xaf\xed\xa0\x80\xf5 \xe4\xb8"  # every byte; not UTF-8
    ids = [id for byte in data if (id := tokenizer.token_to_id(characters[byte])) is not None]
    tokens = token_bytes(tokenizer)
    back = b"".join(tokens[id] for id in ids)
    return back == data and tokenizer.decode(ids) == data.decode(errors="replace")
