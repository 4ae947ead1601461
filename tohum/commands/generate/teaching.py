"""Whether the model was taught with conversations, without which it can't answer."""

import json
import logging
from pathlib import Path

CONVERSATION = "conversation"  # its name in the table of languages

log = logging.getLogger(__name__)


def warn_without_conversations(encoded: Path) -> None:
    """Logs a warning if the model saw no conversation.

    Args:
        encoded: metrics/encode.json; nothing is said if it is missing or cannot be read.
    """
    try:
        languages = json.loads(encoded.read_text(encoding="utf-8"))["bytes_per_token_by_language"]
    except (OSError, ValueError, KeyError, TypeError):
        return
    if CONVERSATION not in languages:
        log.warning(
            "this model saw no conversation in training, so it continues texts but does not answer."
            " Train on questions and answers: overrides: [source=sohbet, model=sohbet,"
            " train=sohbet] in params.yaml, then `dvc repro`"
        )
