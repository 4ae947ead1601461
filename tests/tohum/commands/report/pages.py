"""A tiny project whose texts, paths, licences and values are hostile to a page."""

import json
from pathlib import Path
from typing import Any

import numpy
import orjson
import yaml

from stages.evaluate.evaluation import evaluate
from tests.stages.evaluate.trained import evaluate_section, write_random_weights
from tests.tiny import documents, write_tiny_tokenizer, write_tokens
from tests.tohum.commands.report.runs import LOCK, git
from tohum.files import write_json
from tohum.formats.records import marked_texts
from tohum.formats.tokenizer import load_tokenizer
from tohum.formats.tokens import TokenSplit

HOSTILE = (
    "</script><script>document.title='run'</script><img src='http://127.0.0.1:9/x'>&amp;\u202e"
)
METRICS: dict[str, Any] = {
    "jsonl": {
        "files": 70, "documents": 60, "bytes": 9000, "redacted": 2, "missing": 1,
        "filtered": {"duplicate": 3, HOSTILE: 6},
        "sources": {HOSTILE: {"documents": 60, "bytes": 9000}},
    },
    "tokenizer": {"vocab_size": 300},
    "encode": {"bytes_per_token": 1.5},
}  # fmt: skip


def write_page_project(root: Path) -> Path:
    """Writes and commits what `tohum report --html` reads, evaluated by the stage itself."""
    write_tiny_tokenizer(root / "models/tokenizer")
    texts = [HOSTILE * 8, *documents(50)]
    tokens = write_tokens(root / "data/tokens", root / "models/tokenizer", texts, texts[:9])
    described = [
        {
            "id": str(number),
            "source": HOSTILE,
            "path": f"{HOSTILE}{number}.py",
            "language": "Python",
        }
        for number in range(9)
    ]
    (tokens / "val.documents.jsonl").write_bytes(b"\n".join(map(orjson.dumps, described)) + b"\n")
    _describe_origins(tokens)
    for name, values in METRICS.items():
        write_json(root / f"metrics/{name}.json", values)
    _write_texts(root)
    write_random_weights(root, "model.context_length=32")
    evaluate(
        evaluate_section(),
        root / "models/weights",
        tokens,
        root / "models/tokenizer",
        root / "conf/prompts.txt",
        root / "models/lm",
        root / "metrics/evaluate.json",
    )
    (root / ".gitignore").write_text("/models/\n/data/\n")
    git(root, "init", "--quiet")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "A run")
    return root


def _describe_origins(tokens: Path) -> None:
    meta = json.loads((tokens / "meta.json").read_text("utf-8"))
    meta["provenance"]["sources"] = {HOSTILE: {"kind": HOSTILE, "left_out": {HOSTILE: 4}}}
    licences = {"MIT": "MIT", HOSTILE: None}
    meta["provenance"]["licenses"] = {
        name: {"spdx": spdx, "documents": 30, "bytes": 4500} for name, spdx in licences.items()
    }
    write_json(tokens / "meta.json", meta)
    origin = {"source": "a", "repo": HOSTILE, "license": HOSTILE, "spdx": None}
    line = orjson.dumps({**origin, "documents": 60, "bytes": 9000})
    (tokens / "origins.jsonl").write_bytes(line + b"\n")


def _write_texts(root: Path) -> None:
    dropped = {"path": HOSTILE, "repo": HOSTILE, "detail": HOSTILE, "reason": HOSTILE, "bytes": 7}
    rows = {"conf/prompts.txt": f"def f(x):\n---\n{HOSTILE}\n"}
    rows["data/jsonl/dropped.jsonl"] = (json.dumps(dropped) + "\n") * 6
    rows["plots/jsonl.csv"] = "rule,documents,bytes\nduplicate,3,120\n"
    rows["plots/tokenizer.csv"] = "vocab_size,bytes_per_token\n265,1.0\n280,1.2\n300,1.5\n"
    steps = [f"{step},{4 - step / 4},{3 + step / 9 if step % 2 else ''}" for step in range(1, 7)]
    rows["plots/train.csv"] = "\n".join(["step,train_bits_per_byte,bits_per_byte", *steps]) + "\n"
    rows["params.yaml"] = json.dumps({"overrides": [HOSTILE]})
    rows["params.lock.yaml"] = yaml.safe_dump({"a": HOSTILE})
    rows["dvc.lock"] = yaml.safe_dump(LOCK)
    for name, text in rows.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


def conversations(root: Path, *pairs: tuple[str, str]) -> TokenSplit:
    """A split of conversations in the tokens of a project."""
    tokenizer = load_tokenizer(root / "models/tokenizer")
    ids: list[int] = []
    offsets = [0]
    for question, answer in pairs:
        messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        for part in marked_texts({"messages": messages}):
            ids += [*part.before, *tokenizer.encode(part.text).ids, *part.after]
        offsets.append(len(ids))
    return TokenSplit(numpy.array(ids), numpy.array(offsets), 0)
