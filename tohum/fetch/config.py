"""The part of a source's section that selects the rows to fetch."""

import json
from dataclasses import dataclass
from typing import Any

from tohum.config.sections import limits
from tohum.errors import UserError

# Our columns of rows that name or contain files, and their types, by Arrow's names of these.
COLUMNS = {
    "id": "string",
    "path": "string",
    "repo": "string",
    "license": "string",
    "license_type": "string",
    "encoding": "string",
    "bytes": "int64",
    "language": "string",
    "is_vendored": "bool",
    "is_generated": "bool",
    "stars": "int64",
    "url": "string",
    "content": "string",
}

# Our column that has each kind of content, or says where it is.
CONTENT_COLUMNS = {"software_heritage": "id", "url": "url", "inline": "content"}

# Our column that each rule looks at, and the rule's value when it is off.
RULES: dict[str, tuple[str, Any]] = {
    "license_types": ("license_type", []),
    "languages": ("language", []),
    "exclude_vendored": ("is_vendored", False),
    "exclude_generated": ("is_generated", False),
    "exclude_paths": ("path", []),
    "min_stars": ("stars", 0),
    "min_file_bytes": ("bytes", 0),
    "max_file_bytes": ("bytes", None),
}


@dataclass(kw_only=True)
class RowRules:
    """The rules on what a source's rows say about the files that they name."""

    license_types: list[str]
    languages: list[str]
    exclude_vendored: bool
    exclude_generated: bool
    exclude_paths: list[str]
    min_stars: int = limits(minimum=0)
    min_file_bytes: int = limits(minimum=0)
    max_file_bytes: int | None = limits(minimum=1)

    def check_columns(self, section: str, columns: dict[str, str]) -> None:
        """Refuses a rule on a column that the source doesn't have: it would pass everything.

        Args:
            section: the section's name, for the message.
            columns: the dataset's column for each of ours.

        Raises:
            UserError: there is such a rule; it names the key and the column.
        """
        for rule, (column, off) in RULES.items():
            value = getattr(self, rule)
            if value != off and column not in columns:
                raise UserError(
                    f"{section}.{rule} is {value!r}, but {section}.columns names no column for "
                    f"'{column}', so the rule can't apply. Name the dataset's column, or turn the "
                    f"rule off: {section}.{rule}={json.dumps(off)}."
                )


def check_names(section: str, columns: dict[str, str]) -> None:
    """Raises a UserError if one of our columns in the section's `columns` is not in COLUMNS."""
    unknown = [column for column in columns if column not in COLUMNS]
    if unknown:
        raise UserError(
            f"{section}.columns has {', '.join(unknown)}, which is not one of our columns: "
            f"{', '.join(COLUMNS)}."
        )
