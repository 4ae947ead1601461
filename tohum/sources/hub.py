"""The source `hub`: files of a Hugging Face dataset at one commit, and what their rows name.

Files whose rows are the documents (`content: rows`) are the download. Where the rows name files, by
their ids in Software Heritage or by URLs, or hold them, the dataset's files go to `rows/` and the
files that are wanted of them to archives. What data/raw has already, of both, is not fetched again.
"""

from dataclasses import dataclass

from tohum.config.sections import limits
from tohum.fetch.config import RowRules
from tohum.sources.destination import Destination


@dataclass(kw_only=True)
class HubSource(RowRules):
    """A dataset of the Hub: ids of blobs, URLs, the contents themselves, or rows of any shape."""

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

    def check(self, section: str) -> None:
        """Checks that every rule has its column.

        Raises:
            UserError: one hasn't; the message names both.
        """
        self.check_columns(section, {} if self.content == "rows" else self.columns)

    def download(self, destination: Destination) -> None:
        """Fetches the files, and the contents that their rows name.

        Raises:
            UserError: no access, no such repository, revision or file, too much, a file that is not
                what the Hub says, or more lost files than are tolerated.
        """
        from tohum.sources.hub_download import HubDownload  # the Hub's client takes a second

        HubDownload(self, destination).run()
