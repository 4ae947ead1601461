"""The hashes by which the Hub names a file's bytes."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SHA256 = "SHA-256"
GIT_BLOB = "git blob SHA-1"
DIGITS = {SHA256: 64, GIT_BLOB: 40}


@dataclass(frozen=True)
class ObjectId:
    """The hash of a whole file, in hex.

    `kind` is SHA256 for a file in LFS (https://git-lfs.com/spec), else GIT_BLOB, the SHA-1 of
    `blob <size>`, a zero byte and the content (https://git-scm.com/book/en/v2/Git-Internals-Git-Objects).
    """

    kind: str
    value: str

    @classmethod
    def read(cls, kind: str, value: Any) -> "ObjectId | None":
        """Returns the hash that a list gives, or None if it is not one of that kind."""
        digits = f"[0-9a-f]{{{DIGITS[kind]}}}"
        return cls(kind, value) if re.fullmatch(digits, str(value), re.ASCII) else None

    def found(self, path: Path) -> str:
        """Returns the hash of this kind that a file has."""
        with path.open("rb") as file:
            if self.kind == SHA256:
                return hashlib.file_digest(file, "sha256").hexdigest()
            digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size)
            return hashlib.file_digest(file, lambda: digest).hexdigest()
