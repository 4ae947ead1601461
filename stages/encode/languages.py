"""The language of a document, by the suffix of its path; only used in tables."""

from pathlib import PurePosixPath
from typing import Any

SUFFIXES = {
    "C": ".c .h",
    "C++": ".cc .cpp .cxx .hh .hpp .hxx",
    "C#": ".cs",
    "CSS": ".css .less .scss",
    "Go": ".go",
    "HTML": ".htm .html",
    "Haskell": ".hs",
    "JSON": ".json .jsonl",
    "Java": ".java",
    "JavaScript": ".cjs .js .jsx .mjs",
    "Jupyter Notebook": ".ipynb",
    "Kotlin": ".kt .kts",
    "Lua": ".lua",
    "Markdown": ".md .markdown",
    "PHP": ".php",
    "Perl": ".pl .pm",
    "Python": ".py .pyi .pyx",
    "R": ".r",
    "Ruby": ".rb",
    "Rust": ".rs",
    "SQL": ".sql",
    "Scala": ".scala",
    "Shell": ".bash .sh .zsh",
    "Swift": ".swift",
    "TeX": ".tex",
    "Text": ".rst .txt",
    "TypeScript": ".ts .tsx",
    "XML": ".svg .xml",
    "YAML": ".yaml .yml",
}
LANGUAGES = {suffix: name for name, suffixes in SUFFIXES.items() for suffix in suffixes.split()}


def language_of(record: dict[str, Any]) -> str:
    """Returns the language's name, "conversation" for a record that is one, or "other"."""
    if "messages" in record:
        return "conversation"
    return LANGUAGES.get(PurePosixPath(record.get("path") or "").suffix.lower(), "other")
