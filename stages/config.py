"""The typed configuration: what every section holds, what its values may be, and the one way to
read it.

`params.lock.yaml` holds the values (the compose stage writes it from conf/ and params.yaml), conf/
explains every key, and the dataclasses here say what is allowed. A stage calls `load()` and deals
in these objects only.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import yaml

from stages.errors import UserError
from stages.sections import limits, nearest, read_section
from stages.special_tokens import SPECIAL_TOKENS

LOCK_FILE = Path("params.lock.yaml")
RUNTIME_FILE = Path("conf/runtime.yaml")
GENERATE_FILE = Path("conf/generate.yaml")

SMALLEST_VOCABULARY = len(SPECIAL_TOKENS) + 256


@dataclass
class PackagesSource:
    """Python files of installed, pinned, pure-Python packages."""

    kind: str
    packages: list[str]
    suffixes: list[str]
    exclude: list[str]
    max_bytes: int = limits(minimum=1)


@dataclass
class LocalSource:
    """A folder of the user's own files."""

    kind: str
    path: str
    license: str | None
    suffixes: list[str]
    exclude: list[str]
    max_file_bytes: int = limits(minimum=1)
    max_line_bytes: int = limits(minimum=1)
    max_bytes: int = limits(minimum=1)


@dataclass
class HubSource:
    """Files of a Hugging Face dataset: the ids of blobs, URLs, or the contents themselves."""

    kind: str
    repo_id: str
    revision: str
    paths: list[str]
    columns: dict[str, str]
    terms: str | None
    content: str = limits(choices=("software_heritage", "url", "inline"))
    max_rows: int | None = limits(minimum=1)
    max_bytes: int = limits(minimum=1)


@dataclass
class Jsonl:
    """How raw files become JSONL records."""

    license_types: list[str]
    languages: list[str]
    exclude_vendored: bool
    exclude_generated: bool
    exclude_paths: list[str]
    min_bytes: int = limits(minimum=1)
    max_bytes: int = limits(minimum=1)
    shard_bytes: int | None = limits(minimum=1024)
    compression: str = limits(choices=("none", "zstd"))
    min_stars: int = limits(minimum=0)
    max_lost_share: float = limits(minimum=0, maximum=1)


@dataclass
class Pretokenizer:
    """How text is cut into pretokens, and which documents are."""

    pattern: str
    max_memory: str
    max_pretoken_bytes: int = limits(minimum=2, maximum=65_536)
    sample_share: float = limits(minimum=1e-6, maximum=1)


@dataclass
class Tokenizer:
    """The size of the byte-level BPE vocabulary."""

    vocab_size: int = limits(minimum=SMALLEST_VOCABULARY, maximum=2**20)
    min_frequency: int = limits(minimum=1)


@dataclass
class Encode:
    """How documents become token files."""

    validation_share: float = limits(minimum=1e-6, maximum=0.5)


@dataclass
class Model:
    """The model's architecture and sizes."""

    architecture: str = limits(choices=("llama",))
    hidden_size: int = limits(minimum=8, maximum=65_536)
    intermediate_size: int = limits(minimum=8)
    num_layers: int = limits(minimum=1, maximum=1024)
    num_heads: int = limits(minimum=1)
    num_key_value_heads: int = limits(minimum=1)
    context_length: int = limits(minimum=8, maximum=2**20)
    rope_theta: float = limits(minimum=1)
    initializer_range: float = limits(minimum=0)


@dataclass
class Train:
    """How the model is trained, and on what."""

    seed: int = limits(minimum=0, maximum=2**32 - 1)
    steps: int | None = limits(minimum=1)
    minutes: float | None = limits(minimum=0.01)
    tokens_per_step: int = limits(minimum=8)
    micro_batch_tokens: int = limits(minimum=8)
    learning_rate: float = limits(minimum=1e-8, maximum=10)
    warmup_share: float = limits(minimum=0, maximum=1)
    cooldown_share: float = limits(minimum=0, maximum=1)
    weight_decay: float = limits(minimum=0, maximum=10)
    beta1: float = limits(minimum=0, maximum=0.9999)
    beta2: float = limits(minimum=0, maximum=0.999999)
    gradient_clip: float = limits(minimum=1e-6)
    log_every: int = limits(minimum=1)
    evaluate_every: int = limits(minimum=1)
    evaluate_tokens: int = limits(minimum=1)
    device: str = limits(choices=("cpu", "cuda", "mps", "auto"))
    precision: str = limits(choices=("float32", "bfloat16"))
    threads: int = limits(minimum=1, maximum=4096)


@dataclass
class Runtime:
    """Values that cannot change an output byte; no stage lists them as params."""

    progress: bool
    content_url: str
    workers: int = limits(minimum=1, maximum=4096)
    connections: int = limits(minimum=1, maximum=4096)
    timeout_seconds: float = limits(minimum=0.1)
    patience_seconds: float = limits(minimum=0)
    checkpoint_seconds: float = limits(minimum=1)


@dataclass
class Generate:
    """How `python -m stages.generate` continues a prompt."""

    prompt: str
    max_new_tokens: int = limits(minimum=1)
    temperature: float = limits(minimum=0, maximum=100)
    top_k: int = limits(minimum=0)
    top_p: float = limits(minimum=1e-6, maximum=1)
    seed: int = limits(minimum=0, maximum=2**32 - 1)


SOURCES: dict[str, type] = {
    "packages": PackagesSource,
    "local": LocalSource,
    "hub": HubSource,
}
SECTIONS: dict[str, type] = {
    "jsonl": Jsonl,
    "pretokenizer": Pretokenizer,
    "tokenizer": Tokenizer,
    "encode": Encode,
    "model": Model,
    "train": Train,
}


class Source(Protocol):
    """What every source has; `kind` says which of SOURCES it is."""

    kind: str


@dataclass
class Config:
    """The whole effective configuration of a run."""

    source: Source
    jsonl: Jsonl
    pretokenizer: Pretokenizer
    tokenizer: Tokenizer
    encode: Encode
    model: Model
    train: Train


def load(path: Path = LOCK_FILE) -> Config:
    """Reads the configuration that the compose stage wrote.

    Raises:
        UserError: the file is missing, or a value in it is not allowed.
    """
    return check(_read_yaml(path, "Run `dvc repro compose` to write it."))


def load_runtime(path: Path = RUNTIME_FILE) -> Runtime:
    """Reads the values that change no output byte.

    Raises:
        UserError: the file is missing, or a value in it is not allowed.
    """
    return read_section("runtime", Runtime, _read_yaml(path, "Restore it with `git checkout`."))


def _read_yaml(path: Path, remedy: str) -> Any:
    if not path.is_file():
        raise UserError(f"{path} is missing (looked in {Path.cwd()}). {remedy}")
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not YAML: {error}. {remedy}") from None


def check(values: dict[str, Any]) -> Config:
    """Turns plain nested values into a checked Config.

    Raises:
        UserError: an unknown or missing key, a wrong type, or a value that is not allowed; it names
            the key.
    """
    known = ["source", *SECTIONS]
    if not isinstance(values, dict):
        raise UserError(
            f"the configuration is {values!r}, expected the sections {', '.join(known)}."
        )
    for name in values:
        if name not in known:
            raise UserError(f"unknown section '{name}'.{nearest(str(name), known)}")
    for name in known:
        if name not in values:
            raise UserError(
                f"the section '{name}' is missing: add it to conf/config.yaml's defaults list."
            )
    classes: dict[str, type[Any]] = {"source": _source_class(values["source"]), **SECTIONS}
    config = Config(
        **{name: read_section(name, cls, values[name]) for name, cls in classes.items()}
    )
    _check_together(config)
    return config


def _source_class(values: Any) -> type:
    kind = values.get("kind") if isinstance(values, dict) else None
    if kind not in SOURCES:
        raise UserError(f"source.kind is {kind!r}, allowed: {', '.join(SOURCES)}.")
    return SOURCES[kind]


def bytes_of(size: str) -> int:
    """Returns the bytes of a size such as 2GB, 500MB or 1.5 GB (powers of 1,000).

    Raises:
        UserError: it is none, or below a megabyte.
    """
    matched = re.fullmatch(r"(\d+(?:\.\d+)?) ?([MGT])B", size)
    found = (
        int(float(matched[1]) * {"M": 10**6, "G": 10**9, "T": 10**12}[matched[2]]) if matched else 0
    )
    if found < 10**6:
        raise UserError(
            f"pretokenizer.max_memory is {size!r}, expected a size of at least 1MB, such as 500MB "
            "or 2GB."
        )
    return found


def _check_together(config: Config) -> None:
    """Checks what no single value shows."""
    model, train, jsonl = config.model, config.train, config.jsonl
    bytes_of(config.pretokenizer.max_memory)
    if model.hidden_size % (2 * model.num_heads):
        raise UserError(
            f"model.hidden_size is {model.hidden_size}, expected a multiple of 2 x "
            f"model.num_heads ({2 * model.num_heads}), so that every head has an even size."
        )
    if model.num_heads % model.num_key_value_heads:
        raise UserError(
            f"model.num_heads is {model.num_heads}, expected a multiple of "
            f"model.num_key_value_heads ({model.num_key_value_heads})."
        )
    if (train.steps is None) == (train.minutes is None):
        raise UserError(
            f"train.steps is {train.steps} and train.minutes is {train.minutes}: set one of them "
            "and make the other null (steps give the same model again; minutes fit the time you "
            "have)."
        )
    for key, value in (
        ("tokens_per_step", train.tokens_per_step),
        ("micro_batch_tokens", train.micro_batch_tokens),
    ):
        if value % model.context_length:
            raise UserError(
                f"train.{key} is {value}, expected a multiple of model.context_length "
                f"({model.context_length})."
            )
    if train.tokens_per_step % train.micro_batch_tokens:
        raise UserError(
            f"train.tokens_per_step is {train.tokens_per_step}, expected a multiple of "
            f"train.micro_batch_tokens ({train.micro_batch_tokens})."
        )
    if train.warmup_share + train.cooldown_share > 1:
        raise UserError(
            f"train.warmup_share ({train.warmup_share}) and train.cooldown_share "
            f"({train.cooldown_share}) add up to more than 1: lower one of them."
        )
    if jsonl.min_bytes > jsonl.max_bytes:
        raise UserError(
            f"jsonl.min_bytes is {jsonl.min_bytes}, expected at most jsonl.max_bytes "
            f"({jsonl.max_bytes})."
        )
