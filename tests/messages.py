"""The texts in the program's code that are messages, as the catalogue of translations has them.

`f"{path} is missing."` is the message `{path} is missing.`: each value in it has a name. A
text that a condition chooses is a message for each choice. Messages are the texts in stages/ and
tohum/ that have several words, single words where they are shown, the docstrings of commands, and
the comments of the keys that their help shows. tests/not_messages.py has the exceptions.
"""

import ast
import itertools
import re
import string
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tests.conftest import PROJECT
from tests.not_messages import ARGPARSE, COMPOSED, NOT_MESSAGES, OTHER_READERS, STRERRORS, WORDS
from tohum.cli import COMMANDS
from tohum.dependencies import PACKAGES

KEYS = ("conf/generate.yaml", "conf/report.yaml", "conf/show.yaml")  # whose comments the help shows
LOGGERS = ("log", "logging")
SHOWN = {"UserError", "print", "tell", "say", "counted", "add_argument"}
SHOWN |= {"debug", "info", "warning", "error", "critical"}
NOT_SHOWN = {"compile", "split", "cast", "import_module", "fullmatch", "match", "sub", "search"}
NOT_SHOWN |= {"removesuffix", "removeprefix", "startswith", "endswith", "getLogger", "field"}
PERCENT = re.compile(r"%(?:%|[-+ #0]*\d*(?:\.\d+)?[sdrgfx])")
WORD = re.compile("[A-Za-z]{2}")
MOST_CHOICES = 16

Piece = str | ast.expr  # a literal, or the expression of a value


class Message(NamedTuple):
    """A message with its values named, the context that it is one in, and its file."""

    text: str
    file: str
    context: str | None = None


def messages() -> Iterator[Message]:
    """Every message of the program, as often as it is there."""
    for package in PACKAGES:
        for path in sorted((PROJECT / package).rglob("*.py")):
            file = path.relative_to(PROJECT).as_posix()
            if file not in OTHER_READERS:
                for text in _of_module(ast.parse(path.read_text("utf-8"))):
                    yield Message(text, file)
    yield from _of_help()
    here = "tests/not_messages.py"
    yield from (Message(text, here) for text in (*COMPOSED, *ARGPARSE, *STRERRORS))
    yield from (Message(text, here, name) for name, words in WORDS.items() for text in words)


def _of_help() -> Iterator[Message]:
    for name in COMMANDS:
        folder = PROJECT / "tohum/commands" / name
        path = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
        docstring = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
        for text in (docstring, docstring.partition("\n")[0]):
            yield Message(_escaped(text), path.relative_to(PROJECT).as_posix())
    for file in KEYS:
        for line in (PROJECT / file).read_text("utf-8").splitlines():
            if line[:1].isalpha() and " # " in line:
                yield Message(_escaped(line.partition(" # ")[2].strip()), file)


def values_of(message: str) -> set[str]:
    """The names of the values in a message."""
    return {name for _, name, *_ in string.Formatter().parse(message) if name is not None}


def _of_module(tree: ast.Module) -> Iterator[str]:
    nodes = list(ast.walk(tree))
    hidden = {id(inner) for node in nodes for part in _hidden(node) for inner in ast.walk(part)}
    shown = {id(text) for node in nodes if isinstance(node, ast.Call) for text in _shown(node)}
    for node in _texts(tree, hidden):
        for text in map(_core, _forms(node)):
            literals = [literal for literal, *_ in string.Formatter().parse(text)]
            plain = " ".join(" ".join(literals).split(" "))
            several = " " in "".join(literals)
            said = (several or id(node) in shown) and WORD.search(plain)
            if said and not NOT_MESSAGES.match(text):
                yield text


def _core(text: str) -> str:
    """A message without what joins it to the text before it."""
    return text.strip().lstrip(",;: ")


def _hidden(node: ast.AST) -> Iterable[ast.AST]:
    """The parts of a node that nobody is shown: docstrings, types, patterns, what is compared."""
    match node:
        case ast.Expr(value=ast.Constant() as docstring):
            return [docstring]
        case ast.Compare() | ast.Subscript() | ast.Assert():
            return ast.iter_child_nodes(node)
        case ast.AnnAssign(annotation=annotation) | ast.arg(annotation=ast.expr() as annotation):
            return [annotation]
        case ast.FunctionDef(returns=ast.expr() as returns):
            return [returns]
        case ast.Call(args=args) if _called(node) in NOT_SHOWN:
            return [node.func, *args]
    return []


def _shown(call: ast.Call) -> list[ast.expr]:
    """The texts that a call shows, of which single words are messages too."""
    if _called(call) == "add_argument":
        return [word.value for word in call.keywords if word.arg == "help"]
    return call.args[:1] if _called(call) in SHOWN else []


def _called(call: ast.Call) -> str:
    match call.func:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
    return ""


def _texts(node: ast.AST, hidden: set[int]) -> Iterator[ast.expr]:
    """The texts below a node, each as a whole; those in its values are texts of their own."""
    if id(node) in hidden:
        return
    inner: Iterable[ast.AST] = ast.iter_child_nodes(node)
    if isinstance(node, ast.Call) and (_is_log(node) or _called(node) == "counted"):
        yield node
        inner = [arg for arg in node.args if not isinstance(arg, ast.Constant)]
    elif isinstance(node, ast.expr) and _is_text(node):
        yield node
        pieces = node.args if isinstance(node, ast.Call) else itertools.chain(*_choices(node))
        inner = [piece for piece in pieces if isinstance(piece, ast.expr)]
    for child in inner:
        yield from _texts(child, hidden)


def _is_log(call: ast.Call) -> bool:
    """Whether a call logs a text with values, as in `log.info("%d files", count)`."""
    match call:
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id=logger)), args=[ast.Constant(value=str()), _, *_]
        ):
            return logger in LOGGERS
    return False


def _is_text(node: ast.expr) -> bool:
    match node:
        case ast.Constant(value=str()) | ast.JoinedStr():
            return True
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            return _is_text(left) or _is_text(right)
        case ast.Call(func=ast.Attribute(attr="join", value=ast.Constant(value=str()))):
            return True
    return False


def _choices(node: ast.expr) -> list[list[Piece]]:
    """A text as literals and values, for each way in which its conditions may turn out."""
    match node:
        case ast.Constant(value=str(text)):
            return [[text]]
        case ast.JoinedStr(values=parts):
            return _combined([_choices(part) for part in parts])
        case ast.FormattedValue(value=value):
            return _choices(value) if isinstance(value, ast.IfExp) else [[value]]
        case ast.BinOp(left=left, right=right) if _is_text(node):
            return _combined([_choices(left), _choices(right)])
        case ast.IfExp(body=body, orelse=other) if _is_text(body) and _is_text(other):
            return [*_choices(body), *_choices(other)]
    return [[node]]


def _combined(parts: list[list[list[Piece]]]) -> list[list[Piece]]:
    return [[*itertools.chain(*choice)] for choice in itertools.product(*parts)][:MOST_CHOICES]


def _forms(node: ast.expr) -> list[str]:
    """The messages that a text may be."""
    match node:
        case ast.Call(func=ast.Attribute(attr="join", value=ast.Constant(value=str(between)))):
            return [f"{{one}}{_escaped(between)}{{another}}"]
        case ast.Call(args=[_, ast.Constant(value=str(noun))]) if _called(node) == "counted":
            return [f"{{count}} {noun}", f"{{count}} {noun}s"]
        case ast.Call(args=[ast.Constant(value=str(form)), *given]):
            return [_named(_of_log(form, given))]
        case ast.Call():
            return []
    return [_named(pieces) for pieces in _choices(node)]


def _of_log(form: str, given: list[ast.expr]) -> Iterator[Piece]:
    left = [value for value in given if not isinstance(value, ast.Starred)]
    place = 0
    for number, found in enumerate(PERCENT.finditer(form)):
        yield form[place : found.start()]
        value = left.pop(0) if left and found[0] != "%%" else ast.Name(f"number{number}")
        yield "%" if found[0] == "%%" else value
        place = found.end()
    yield form[place:]


def _named(pieces: Iterable[Piece]) -> str:
    """A message from its pieces; the same value has the same name."""
    names: dict[str, str] = {}
    text = ""
    for piece in pieces:
        if isinstance(piece, str):
            text += _escaped(piece)
            continue
        value = ast.unparse(piece)
        if value not in names:
            name, numbers = _name(piece), itertools.count(2)
            while name in names.values():
                name = f"{_name(piece)}{next(numbers)}"
            names[value] = name
        text += f"{{{names[value]}}}"
    return text


def _escaped(text: str) -> str:
    """A literal with its braces doubled, but for the value of `GET_BACK.format(stage=...)`."""
    doubled = text.replace("{", "{{").replace("}", "}}")
    return doubled.replace("{{stage}}", "{stage}")


def _name(node: ast.expr) -> str:
    """A name for a value: that of its variable, attribute, key or function."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.strip("_").lower()
        case ast.Subscript(slice=ast.Constant(value=str(name))) if name.isidentifier():
            return name
        case (
            ast.Subscript(value=inner)
            | ast.Call(func=ast.Attribute(attr="join"), args=[inner, *_])
            | ast.Call(func=ast.Name(id="len" | "str" | "sorted" | "sum" | "map"), args=[*_, inner])
            | ast.Call(func=inner)
            | ast.GeneratorExp(elt=inner)
            | ast.BoolOp(values=[inner, *_])
            | ast.IfExp(body=inner)
            | ast.BinOp(right=inner, left=ast.Constant())
            | ast.BinOp(left=inner)
        ):
            return _name(inner)
    return "value"
