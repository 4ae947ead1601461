"""A merge of byte-pair encoding, and what can be computed from a list of merges alone."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass
class Merge:
    """One merge: the ids of its parts, the id of the token it makes, how often the pair occurred in
    the corpus, and how many tokens it saved.

    The last two differ when a pair overlaps itself: `aaa` contains (a, a) twice, but saves one
    token.
    """

    left: int
    right: int
    id: int
    count: int
    saved: int


def cut_merges(
    merges: Sequence[Merge], first_id: int, vocab_size: int, min_frequency: int
) -> list[Merge]:
    """Returns the merges that training with these smaller values would give.

    They are the first ones, because the count of the merged pair never increases: a new pair is
    seen at most as often as the merge that made it, and all others become rarer.
    """
    chosen = []
    for merge in merges[: max(vocab_size - first_id, 0)]:
        if merge.count < min_frequency:
            break
        chosen.append(merge)
    return chosen


def merged_bytes(byte_ids: Sequence[int], first_id: int, merges: Sequence[Merge]) -> list[bytes]:
    """Returns the bytes of every token, by id; those of special tokens are empty."""
    tokens = [b""] * first_id
    for byte, id in enumerate(byte_ids):
        tokens[id] = bytes([byte])
    for merge in merges:
        tokens.append(tokens[merge.left] + tokens[merge.right])
    return tokens


def token_counts(
    byte_ids: Sequence[int], byte_counts: Sequence[int], first_id: int, merges: Sequence[Merge]
) -> list[int]:
    """Returns how often every token occurs in the corpus after all merges, by id.

    Each time a merge is applied, it makes one token and uses up one of each of its parts.
    """
    counts = [0] * first_id
    for byte, id in enumerate(byte_ids):
        counts[id] = byte_counts[byte]
    for merge in merges:
        counts.append(merge.saved)
        counts[merge.left] -= merge.saved
        counts[merge.right] -= merge.saved
    return counts
