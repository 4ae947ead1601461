"""What a person should know of a corpus before trusting a figure or waiting for a model: too few
documents are held out, or one source drowns among the others.
"""

from stages.encode.tallies import Tallies

FEW = 20  # documents held out; below, which ones they are weighs more than the model does
THIN = 0.01  # of the bytes


def remarks(held_out: int, share: float, tallies: Tallies) -> list[str]:
    """Returns a sentence for each.

    Args:
        held_out: number of validation documents.
        share: encode.validation_share.
        tallies: of all documents.
    """
    found = []
    if held_out < FEW:
        found.append(
            f"only {held_out} document{'s are' if held_out > 1 else ' is'} held out for "
            f"validation: its figures depend on which. Add documents, or raise "
            f"encode.validation_share ({share}; up to 0.5)."
        )
    sizes = tallies.bytes_by("source")
    total = sum(sizes.values())
    for name, size in sorted(sizes.items()):
        if size < THIN * total:
            found.append(
                f"the source '{name}' is {size / total:.2%} of the text ({size:,} of {total:,} "
                "bytes): the model will hardly learn from it. To take each of its documents "
                f"several times, raise jsonl.sources.{name}.weight."
            )
    return found
