"""Normalises the licence names of sources to SPDX expressions.

The format: https://spdx.github.io/spdx-spec/v2.3/SPDX-license-expressions/. license-expression
parses expressions and knows the identifiers. NAMES covers what else people write: PyPI's
classifiers and common names. A name that may mean several licences is not in it, such as "BSD
License" (with two, three or four clauses), nor is "Public Domain". "Apache Software License" means
version 2.0, of 2004. Without a version, GPL and LGPL mean any version, as their own texts say.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any

LONGEST = 500  # characters of an expression; anything longer is the text of a licence
UNKNOWN = "unknown"
# In the form of `_canonical`: lower case, without "license", "software", "the" and ".0".
NAMES = {
    "MIT": ("mit", "expat", "mit expat", "mit x11"),
    "MIT-0": ("mit no attribution", "mit 0"),
    "Apache-2.0": ("apache", "apache 2", "asl 2", "apl 2"),
    "BSD-2-Clause": ("bsd 2 clause", "2 clause bsd", "simplified bsd", "bsd 2 clause simplified"),
    "BSD-3-Clause": (
        *("bsd 3 clause", "3 clause bsd", "new bsd", "modified bsd", "revised bsd", "bsd 3"),
        "bsd 3 clause new or revised",
    ),
    "0BSD": ("0bsd", "bsd zero clause", "zero clause bsd"),
    "ISC": ("isc", "internet systems consortium"),
    "MPL-1.1": ("mozilla public 1.1", "mpl 1.1"),
    "MPL-2.0": ("mozilla public 2", "mpl 2"),
    "PSF-2.0": ("python foundation", "psf", "psf 2"),
    "Unlicense": ("unlicense",),
    "Zlib": ("zlib", "zlib libpng"),
    "BSL-1.0": ("boost", "boost 1", "bsl 1"),
    "CC0-1.0": ("cc0", "cc0 1", "cc0 1 universal", "cc0 1 universal public domain dedication"),
    "CC-BY-4.0": (
        *("cc by 4", "creative commons attribution 4"),
        "creative commons attribution 4 international",
    ),
    "CC-BY-SA-4.0": (
        *("cc by sa 4", "creative commons attribution sharealike 4"),
        *(
            "creative commons attribution sharealike 4 international",
            "creative commons attribution share alike 4 international",
        ),
    ),
    "CC-BY-SA-3.0": ("cc by sa 3", "creative commons attribution sharealike 3 unported"),
    "EPL-1.0": ("eclipse public 1", "epl 1"),
    "EPL-2.0": ("eclipse public 2", "epl 2"),
    "EUPL-1.2": ("european union public 1.2", "eupl 1.2"),
    "AFL-3.0": ("academic free 3", "afl 3"),
    "Artistic-2.0": ("artistic 2",),
    "UPL-1.0": ("universal permissive", "universal permissive 1", "upl"),
    "WTFPL": ("wtfpl", "do what fuck you want to public"),
    "HPND": ("historical permission notice and disclaimer",),
    "PostgreSQL": ("postgresql",),
    "GPL-1.0-or-later": ("gpl", "gnu gpl", "gnu general public", "general public"),
    "LGPL-2.0-or-later": (
        "lgpl",
        "gnu lgpl",
        "gnu lesser general public",
        "gnu library general public",
    ),
    **{
        f"{name}-{version}.{minor}-{tail}": tuple(
            f"{word} {version}{f'.{minor}' if minor else ''}{end}" for word in words for end in ends
        )
        for name, words in {
            "GPL": ("gpl", "gnu gpl", "gnu general public", "general public"),
            "LGPL": ("lgpl", "gnu lgpl", "gnu lesser general public", "lesser general public"),
            "AGPL": ("agpl", "gnu agpl", "gnu affero general public", "affero general public"),
        }.items()
        for version, minor in ((2, 0), (2, 1), (3, 0))
        if (name, version, minor) not in (("GPL", 2, 1), ("AGPL", 2, 0), ("AGPL", 2, 1))
        for tail, ends in {"only": ("", " only"), "or-later": (" or later", " or newer")}.items()
    },
}
BY_NAME = {name: identifier for identifier, names in NAMES.items() for name in names}
FILLER = re.compile(r"\b(?:the|licen[sc]e[sd]?|li[sş]ans[ıi]?|software)\b")


@cache
def _licensing() -> Any:
    from license_expression import get_spdx_licensing  # 0.1 s, only if there is a licence to read

    return get_spdx_licensing()


@lru_cache(4096)
def spdx(stated: str | None) -> str | None:
    """Returns the SPDX expression for a licence as a source states it; None if it states none,
    something else, or a name of several licences.

    Several licences separated by semicolons, from a source's list or a package's classifiers,
    become an expression with AND: obeying all of them is safe, whatever was meant.
    """
    parts = [part.strip() for part in (stated or "").split(";")]
    found = [_one(part) for part in parts if part]
    if not found or None in found:
        return None
    return expression(" AND ".join(f"({part})" for part in found))


def expression(text: str) -> str | None:
    """Returns an SPDX expression in canonical form: identifiers spelled as in SPDX, each once, in
    order, deprecated ones replaced by their successors. None for a text that is not one.
    """
    if not text.strip():
        return None

    from license_expression import ExpressionError

    try:
        parsed = _licensing().parse(text, validate=True, strict=True)
    except (ExpressionError, ValueError):
        return None
    return None if parsed is None else str(parsed.simplify().render("{symbol.key}"))


def _one(stated: str) -> str | None:
    if len(stated) > LONGEST:
        return None
    bare = FILLER.sub(" ", stated.replace("İ", "i").lower())
    return (
        expression(stated)
        or BY_NAME.get(_canonical(stated))
        or expression(" ".join(bare.split()))
        or (_either(stated) if "/" in stated else None)
    )


def _either(stated: str) -> str | None:
    """Returns the expression for Cargo's slash, which means one or the other."""
    found = [_one(part.strip()) for part in stated.split("/")]
    return None if None in found else expression(" OR ".join(f"({part})" for part in found))


def _canonical(stated: str) -> str:
    """Returns a name without what people write in different ways: "Apache License, Version 2.0",
    "apache-2.0 licence" and "Apache 2" are all "apache 2".
    """
    text = stated.replace("İ", "i").lower()
    text = re.sub(r"\([^)]*\)", " ", text) if not text.startswith("(") else text
    text = re.sub(r"(?<=\d)\+", " or later", text)
    text = re.sub(r"(?<=gpl)v?(?=\d)|\bversion\b|\bv\.?(?=\d)", " ", text)
    text = re.sub(r"[^\w.]+|_", " ", text)
    text = re.sub(r"(?<=\d)\.0\b", "", FILLER.sub(" ", text))
    return " ".join(text.split())


@dataclass
class Licensed:
    """What is under one licence: the names that sources give it, documents, and bytes."""

    names: list[str] = field(default_factory=list)
    documents: int = 0
    bytes: int = 0


def by_expression(licenses: Mapping[str, Mapping[str, Any]]) -> dict[str, Licensed]:
    """Groups data/jsonl's manifest entries for stated licences by SPDX expression, or by name if
    there is none; most bytes first.
    """
    groups: dict[str, Licensed] = {}
    for name, count in licenses.items():
        group = groups.setdefault(count["spdx"] or name, Licensed())
        group.names.append(name)
        group.documents += count["documents"]
        group.bytes += count["bytes"]
    return dict(sorted(groups.items(), key=lambda item: (-item[1].bytes, item[0])))
