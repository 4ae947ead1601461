"""Reads the configuration that the compose stage wrote.

`params.lock.yaml` has the values (the compose stage writes it from conf/ and params.yaml), conf/
explains every key, and the dataclass of a section, next to the code that it configures, says what
is allowed. A stage calls `load` for its own section and uses only that object.
"""

from pathlib import Path
from typing import Any, TypeVar

import yaml

from tohum.config.sections import read_section
from tohum.errors import UserError

LOCK_FILE = Path("params.lock.yaml")
MERGE = "tag:yaml.org,2002:merge"  # `<<`
Section = TypeVar("Section")


def load(name: str, cls: type[Section], path: Path = LOCK_FILE) -> Section:
    """Reads one section of the configuration that the compose stage wrote.

    Raises:
        UserError: the file is missing, lacks the section, or a value in it is not allowed.
    """
    return read_section(name, cls, load_values(name, path))


def load_values(name: str, path: Path = LOCK_FILE) -> Any:
    """Reads the plain values of one section.

    Raises:
        UserError: the file is missing, or lacks the section.
    """
    remedy = "Run `dvc repro compose` to write it."
    values = read_yaml(path, remedy)
    if not isinstance(values, dict) or name not in values:
        raise UserError(f"{path} has no section '{name}'. {remedy}")
    return values[name]


def read_yaml(path: Path, remedy: str) -> Any:
    """Reads a YAML file.

    Args:
        remedy: what to do if it is missing or broken, for messages.

    Raises:
        UserError: it is missing, not UTF-8 or not YAML, or gives a key twice.
    """
    if not path.is_file():
        raise UserError(f"{path} is missing (looked in {Path.cwd()}). {remedy}")
    try:
        return yaml.load(path.read_text(encoding="utf-8"), UniqueKeys)
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not YAML: {error}. {remedy}") from None
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not UTF-8 (byte {error.start}). Save it as UTF-8, or: {remedy}"
        ) from None


class UniqueKeys(yaml.SafeLoader):
    """Refuses a key that is given twice; PyYAML itself silently takes the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Returns the mapping of a node."""
        places = [key for key, _ in node.value if key.tag != MERGE]
        keys = [self.construct_object(place, deep=True) for place in places]
        for number, key in enumerate(keys):
            if key in keys[:number]:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key}' is given twice", places[number].start_mark
                )
        return super().construct_mapping(node, deep)
