"""The source `hub`: files of a Hugging Face dataset at one commit, and what their rows name.

If the rows are the documents (`content: rows`), the dataset's files are the download. If the rows
contain files, or name them by Software Heritage ids or URLs, the dataset's files go to `rows/` and
the wanted files to archives. What data/raw already has of either is not fetched again.
"""

from dataclasses import dataclass

from tohum.config.sections import limits
from tohum.errors import UserError
from tohum.fetch.config import CONTENT_COLUMNS, RowRules, check_names
from tohum.sources.destination import Destination
from tohum.sources.hub_address import read_address

DEFAULT_REVISION = "main"


@dataclass(kw_only=True)
class HubSource(RowRules):
    """A Hub dataset: blob ids, URLs, the contents themselves, or rows of any shape.

    `repo_id` may be given as any address of the dataset; a revision in it is taken.
    """

    kind: str
    repo_id: str
    revision: str
    paths: list[str]
    columns: dict[str, str]
    terms: str | None
    content: str = limits(choices=("software_heritage", "url", "inline", "rows"))
    max_rows: int | None = limits(minimum=1)
    max_bytes: int = limits(minimum=1)
    max_lost_share: float = limits(minimum=0, maximum=1)

    def __post_init__(self) -> None:
        address = read_address(self.repo_id, "source.repo_id")
        if address.path:
            raise UserError(
                f"source.repo_id names '{address.path}' in the dataset. Give the dataset alone, "
                f"source.repo_id={address.repo_id}, and its files in source.paths."
            )
        if address.revision and self.revision not in ("", DEFAULT_REVISION, address.revision):
            raise UserError(
                f"source.repo_id names the revision '{address.revision}', but source.revision is "
                f"'{self.revision}'. Give one of them."
            )
        self.repo_id = address.repo_id
        self.revision = address.revision or self.revision or DEFAULT_REVISION

    def check(self, section: str) -> None:
        """Checks that the content and every rule have their column.

        Raises:
            UserError: one doesn't; the message names both.
        """
        if self.content == "rows":
            self.check_columns(section, {})
            return
        check_names(section, self.columns)
        column = CONTENT_COLUMNS[self.content]
        if column not in self.columns:
            raise UserError(
                f"{section}.content is {self.content}, which takes the column '{column}', but "
                f"{section}.columns has only {', '.join(self.columns) or 'nothing'}. Name the "
                f"dataset's column: +{section}.columns.{column}=NAME."
            )
        self.check_columns(section, self.columns)

    def download(self, destination: Destination) -> None:
        """Fetches the files, and the contents that their rows name.

        Raises:
            UserError: no access, no such repository, revision or file, too much data, a file that
                differs from what the Hub lists, or more lost files than are tolerated.
        """
        from tohum.sources.hub_download import HubDownload  # the Hub's client takes a second

        HubDownload(self, destination).run()
