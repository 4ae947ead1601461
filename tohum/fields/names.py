"""The conventional column names, in English and Turkish, and how names are compared."""

import unicodedata
from collections.abc import Iterable

TEXT, USER, INPUT, ASSISTANT = "text", "user", "input", "assistant"
MESSAGES, SYSTEM, CONTEXT = "messages", "system", "context"
SPEAKER, CHOSEN = "speaker", "chosen"
PROVENANCE = ("path", "repo", "license", "language")

NAMES = {
    TEXT: "text content contents code source_code body metin içerik kod",
    USER: "prompt promt question query request instruction talimat soru istek istem",
    INPUT: "input girdi",  # goes with an instruction, or is what the user says
    ASSISTANT: "completion response answer output reply cevap yanıt çıktı",
    MESSAGES: "messages message conversation conversations dialog dialogs dialogue dialogues "
    "mesajlar konuşma konuşmalar diyalog diyaloglar sohbet",
    CHOSEN: "chosen",  # the better of two answers, or a whole conversation that ends in it
    SYSTEM: "system system_prompt sistem",
    # the text that a question is about: leaving it out may be wrong, and so may including it
    CONTEXT: "context bağlam passage paragraph paragraf article makale document belge history",
    # who says the text beside it: such a row is one message, no text of its own
    SPEAKER: "role from speaker sender rol kimden konuşmacı gönderen",
    "path": "path file_path filename dosya max_stars_repo_path",
    "repo": "repo repo_name repository repository_name depo max_stars_repo_name",
    "license": "license licence lisans detected_licenses licenses max_stars_repo_licenses",
    "language": "language lang programming_language dil",
}
INSTRUCTIONS = ("instruction", "talimat")
DOTLESS = str.maketrans("ıİ", "ii")


def fold(name: str) -> str:
    """Returns what counts of a name: letters and digits without case, accents and Turkish's two
    i's, so that İÇERİK, Icerik and içerik are the same.
    """
    plain = unicodedata.normalize("NFKD", name.translate(DOTLESS).casefold().translate(DOTLESS))
    return "".join(letter for letter in plain if letter.isalnum())


ROLES = {fold(name): role for role, names in NAMES.items() for name in names.split()}


def listed(columns: Iterable[str], most: int = 20) -> str:
    """Returns the names of columns for a message, the first `most` of them."""
    names = list(columns)
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def find_roles(columns: Iterable[str]) -> dict[str, list[str]]:
    """Returns the columns that may have each role, by their names alone, sorted."""
    found: dict[str, list[str]] = {role: [] for role in NAMES}
    for column in sorted(columns):
        role = ROLES.get(fold(column))
        if role is not None and not set(column) & set("{}[]") and "" not in column.split("."):
            found[role].append(column)
    return found
