"""The messages of the program, found in its code, and the catalogues that translate them.

`python -m tests.messages` brings the catalogue tohum/locale/tr/LC_MESSAGES/tohum.po up to date with
the code, compiles it, and lists what has no translation yet. Its messages are the texts in stages/
and tohum/ that read as words, the docstrings of commands and the comments of the keys that their
help shows. tests/test_messages.py checks that all have one.
"""

import argparse
import ast
import io
import itertools
import re
import string
import sys
from collections.abc import Iterable, Iterator

from babel.messages import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from tests.conftest import PROJECT
from tests.not_messages import ARGPARSE, COMPOSED, NOT_MESSAGES, OTHER_READERS, STRERRORS, WORDS
from tohum.cli import COMMANDS
from tohum.dependencies import PACKAGES
from tohum.translation import LOCALE

PO = LOCALE / "tr" / "LC_MESSAGES" / "tohum.po"
KEYS = ("conf/generate.yaml", "conf/show.yaml")  # whose comments the help shows
LOGS = {"debug", "info", "warning", "error", "critical"}
SHOWN = {"UserError", "print", "say", "counted", "add_argument", *LOGS}
NOT_FOR_PEOPLE = {
    "compile",
    "split",
    "cast",
    "import_module",
    "fullmatch",
    "match",
    "sub",
    "search",
}
NOT_FOR_PEOPLE |= {"removesuffix", "removeprefix", "startswith", "endswith", "getLogger", "field"}
PERCENT = re.compile(r"%(?:%|[-+ #0]*\d*(?:\.\d+)?[sdrgfx])")
SEVERAL_WORDS = re.compile(r"[A-Za-z]{2}.* |  *[A-Za-z]{2}", re.DOTALL)
MAX_FORMS = 16

Piece = str | ast.expr  # a literal, or the expression of a value


class Message:
    """A message: its text with named values, and where it is."""

    def __init__(self, text: str, context: str | None, place: tuple[str, int]) -> None:
        self.text, self.context, self.place = text, context, place


def messages() -> Iterator[Message]:
    """Every message of the code, as often as it is there."""
    for package in PACKAGES:
        for path in sorted((PROJECT / package).rglob("*.py")):
            name = path.relative_to(PROJECT).as_posix()
            if name not in OTHER_READERS:
                yield from _of_module(ast.parse(path.read_text("utf-8")), name)
    for name in COMMANDS:
        path = PROJECT / "tohum/commands" / name
        path = (
            path.with_suffix(".py") if path.with_suffix(".py").is_file() else path / "__init__.py"
        )
        help = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
        for text in (help, help.splitlines()[0]):
            yield Message(_escaped(text), None, (path.relative_to(PROJECT).as_posix(), 1))
    for name in KEYS:
        for number, line in enumerate((PROJECT / name).read_text("utf-8").splitlines(), 1):
            if line[:1].isalpha() and " # " in line:
                yield Message(_escaped(line.partition(" # ")[2].strip()), None, (name, number))
    for text in (*COMPOSED, *ARGPARSE, *STRERRORS):
        yield Message(text, None, ("tests/not_messages.py", 1))
    for context, words in WORDS.items():
        for text in words:
            yield Message(text, context, ("tests/not_messages.py", 1))


def _of_module(tree: ast.Module, name: str) -> Iterator[Message]:
    skipped: set[int] = set()
    for node in ast.walk(tree):
        for child in _not_for_people(node):
            skipped.update(map(id, ast.walk(child)))
    for node in _outer_texts(tree, skipped):
        shown = id(node) in _shown(tree)
        for text in _forms(node):
            plain = " ".join("".join(_literal_parts(text)).split())
            words = SEVERAL_WORDS.search(text.strip()) and re.search("[A-Za-z]{2}", plain)
            said = words or (shown and re.search("[A-Za-z]{2}", plain))
            if said and not NOT_MESSAGES.match(text.strip()):
                yield Message(text.strip(), None, (name, node.lineno))


def _not_for_people(node: ast.AST) -> Iterator[ast.AST]:
    """Parts of a node whose texts are no messages: docstrings, types, patterns, what is compared."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        yield node.value
    elif isinstance(node, ast.Compare | ast.Subscript):
        yield from ast.iter_child_nodes(node)
    elif isinstance(node, ast.AnnAssign) or (isinstance(node, ast.arg) and node.annotation):
        yield node.annotation
    elif isinstance(node, ast.FunctionDef) and node.returns:
        yield node.returns
    elif isinstance(node, ast.Call) and _called(node) in NOT_FOR_PEOPLE:
        yield node.func
        yield from node.args
    elif isinstance(node, ast.Assert):
        yield from ast.iter_child_nodes(node)


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _is_log(node: ast.Call) -> bool:
    logger = node.func.value if isinstance(node.func, ast.Attribute) else None
    return (
        isinstance(logger, ast.Name) and logger.id in ("log", "logging") and _called(node) in LOGS
    )


def _shown(tree: ast.Module) -> set[int]:
    """The texts given to what shows them: a single word is a message there."""
    if not hasattr(tree, "shown_texts"):
        found = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and _called(node) in SHOWN:
                help = [word.value for word in node.keywords if word.arg == "help"]
                given = help if _called(node) == "add_argument" else node.args[:2]
                found.update(map(id, given))
        tree.shown_texts = found  # type: ignore[attr-defined]
    return tree.shown_texts  # type: ignore[attr-defined,no-any-return]


def _outer_texts(node: ast.AST, skipped: set[int]) -> Iterator[ast.expr]:
    """The texts below a node, each whole; those inside of its values are texts of their own."""
    if id(node) in skipped:
        return
    inner: Iterable[ast.AST] = ast.iter_child_nodes(node)
    if isinstance(node, ast.Call) and _is_log(node) and len(node.args) > 1:
        yield node
        inner = node.args[1:]
    elif isinstance(node, ast.Call) and _called(node) == "counted":
        yield node
        inner = node.args[:1]
    elif isinstance(node, ast.expr) and _is_text(node):
        yield node
        pieces = node.args if isinstance(node, ast.Call) else _all_pieces(node)
        inner = [piece for piece in pieces if isinstance(piece, ast.expr)]
    for child in inner:
        yield from _outer_texts(child, skipped)


def _is_text(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _is_text(node.left) or _is_text(node.right)
    if isinstance(node, ast.Call) and _called(node) == "join":
        return isinstance(node.func, ast.Attribute) and _is_text(node.func.value)
    return isinstance(node, ast.JoinedStr)


def _all_pieces(node: ast.expr) -> list[Piece]:
    return [piece for form in _piece_forms(node) for piece in form]


def _piece_forms(node: ast.expr) -> list[list[Piece]]:
    """The forms of a text, as literals and values: one for each way its conditions may turn out."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [[node.value]]
    if isinstance(node, ast.JoinedStr):
        return _combined([_value_forms(part) for part in node.values])
    if isinstance(node, ast.BinOp) and _is_text(node):
        return _combined([_piece_forms(node.left), _piece_forms(node.right)])
    if isinstance(node, ast.IfExp):
        return _conditional(node)
    return [[node]]


def _value_forms(part: ast.expr) -> list[list[Piece]]:
    if isinstance(part, ast.FormattedValue):
        if isinstance(part.value, ast.IfExp):
            return _conditional(part.value)
        return [[part.value]]
    return _piece_forms(part)


def _conditional(node: ast.IfExp) -> list[list[Piece]]:
    """Both texts of a condition; of one with none, the value that it is."""
    if _is_text(node.body) and _is_text(node.orelse):
        return [*_piece_forms(node.body), *_piece_forms(node.orelse)]
    return [[node]]


def _combined(parts: list[list[list[Piece]]]) -> list[list[Piece]]:
    return [[*itertools.chain(*form)] for form in itertools.product(*parts)][:MAX_FORMS]


def _forms(node: ast.expr) -> list[str]:
    """The messages of a text: values have names, braces are doubled."""
    if isinstance(node, ast.Call) and _called(node) == "join":
        assert isinstance(node.func, ast.Attribute)
        if not isinstance(node.func.value, ast.Constant):
            return []
        return [f"{{one}}{_escaped(node.func.value.value)}{{another}}"]
    if isinstance(node, ast.Call) and _called(node) == "counted":
        noun = node.args[1]
        assert isinstance(noun, ast.Constant)
        return [f"{{count}} {noun.value}", f"{{count}} {noun.value}s"]
    if isinstance(node, ast.Call):
        return [_of_log(node)] if isinstance(node.args[0], ast.Constant) else []
    return [_named(form) for form in _piece_forms(node)]


def _of_log(node: ast.Call) -> str:
    form, *values = [arg for arg in node.args if not isinstance(arg, ast.Starred)]
    assert isinstance(form, ast.Constant)
    pieces: list[Piece] = []
    place = 0
    given = iter(values)
    for found in PERCENT.finditer(form.value):
        pieces.append(form.value[place : found.start()])
        pieces.append("%" if found[0] == "%%" else next(given, ast.Name(f"number{place}")))
        place = found.end()
    return _named([*pieces, form.value[place:]])


def _named(form: list[Piece]) -> str:
    """A message from its pieces; the same value has the same name."""
    names: dict[str, str] = {}
    text = ""
    for piece in form:
        if isinstance(piece, str):
            text += _escaped(piece)
            continue
        value = ast.unparse(piece)
        if value not in names:
            name = _name(piece)
            taken = set(names.values())
            choices = (name + (str(number) if number > 1 else "") for number in itertools.count(1))
            names[value] = next(choice for choice in choices if choice not in taken)
        text += f"{{{names[value]}}}"
    return text


def _escaped(text: str) -> str:
    """A literal with doubled braces, but for the values of `str.format`, such as {stage}."""
    doubled = text.replace("{", "{{").replace("}", "}}")
    return re.sub(r"\{\{(stage)\}\}", r"{\1}", doubled)


def _name(node: ast.expr) -> str:
    """A name for a value: the variable's, the attribute's, the key's, or the function's."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.strip("_").lower()
        case ast.Subscript(slice=ast.Constant(value=str(name))) if name.isidentifier():
            return name
        case ast.Subscript(value=inner) | ast.Await(value=inner):
            return _name(inner)
        case ast.Call(func=ast.Attribute(attr="join"), args=[inner, *_]):
            return _name(inner)
        case ast.Call(func=ast.Name(id="len" | "str" | "sorted" | "sum" | "map"), args=[*_, inner]):
            return _name(inner)
        case ast.Call(func=function):
            return _name(function)
        case ast.GeneratorExp(elt=inner) | ast.BoolOp(values=[inner, *_]) | ast.IfExp(body=inner):
            return _name(inner)
        case ast.BinOp(left=left, right=right):
            return _name(left) if not isinstance(left, ast.Constant) else _name(right)
    return "value"


def _literal_parts(text: str) -> list[str]:
    return [literal for literal, *_ in string.Formatter().parse(text)]


def values(text: str) -> set[str]:
    """The names of the values in a message."""
    return {name for _, name, *_ in string.Formatter().parse(text) if name is not None}


def read_catalogue() -> Catalog:
    """The catalogue as it is committed."""
    if not PO.is_file():
        return Catalog(locale="tr", domain="tohum")
    return read_po(io.BytesIO(PO.read_bytes()), locale="tr", domain="tohum")


def current_catalogue() -> Catalog:
    """The catalogue with the messages of the code, and the translations that it has of them."""
    known = read_catalogue()
    new = Catalog(locale="tr", domain="tohum", fuzzy=False)
    new.mime_headers = [("Content-Type", "text/plain; charset=utf-8"), ("Language", "tr")]
    for message in messages():
        before = known.get(message.text, message.context)
        new.add(
            message.text,
            before.string if before else "",
            locations=[(message.place[0], None)],
            context=message.context,
        )
    return new


def po_of(catalogue: Catalog) -> bytes:
    """The file of a catalogue: where each message is, but not on which line, which changes."""
    file = io.BytesIO()
    write_po(file, catalogue, width=100, omit_header=False, include_lineno=False)
    return file.getvalue()


def mo_of(catalogue: Catalog) -> bytes:
    """The compiled catalogue."""
    file = io.BytesIO()
    write_mo(file, catalogue)
    return file.getvalue()


def untranslated(catalogue: Catalog) -> list[str]:
    """The messages without a translation, each with the file that it is in."""
    return [
        f"{message.locations[0][0]}: {message.id}"
        for message in catalogue
        if message.id and not message.string
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Bring the catalogue up to date with the code.")
    parser.parse_args()
    catalogue = current_catalogue()
    PO.parent.mkdir(parents=True, exist_ok=True)
    PO.write_bytes(po_of(catalogue))
    PO.with_suffix(".mo").write_bytes(mo_of(catalogue))
    missing = untranslated(catalogue)
    print(*missing, sep="\n")
    print(f"{len(list(catalogue)) - 1} messages, {len(missing)} without a translation")
    sys.exit(1 if missing else 0)
