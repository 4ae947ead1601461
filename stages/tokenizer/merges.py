"""A merge of byte-pair encoding, and what a list of merges alone can say."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass
class Merge:
    """One merge: its parts' ids, the id of the token it makes, how often the pair stood in the
    corpus, and by how many tokens it shortened it.

    The last two differ where a pair overlaps itself: `aaa` holds (a, a) twice and is shortened by
    one.
    """

    left: int
    right: int
    id: int
    count: int
    saved: int


def cut_merges(
    merges: Sequence[Merge], first_id: int, vocab_size: int, min_frequency: int
) -> list[Merge]:
    """Returns the merges that a training with these smaller values ends with.

    The count of the pair that is merged never increases: a new pair is seen at most as often as the
    merge that made it was, and all others become rarer. So they are the first ones.
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
    """Returns how often every token stands in the corpus after all merges, by id.

    Each time that a merge is applied it makes one token and takes one of each of its parts.
    """
    counts = [0] * first_id
    for byte, id in enumerate(byte_ids):
        counts[id] = byte_counts[byte]
    for merge in merges:
        counts.append(merge.saved)
        counts[merge.left] -= merge.saved
        counts[merge.right] -= merge.saved
    return counts
