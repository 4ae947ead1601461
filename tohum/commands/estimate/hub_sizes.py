"""How large a dataset of the Hub is: what its list of files says, and the footer of one of them."""

from huggingface_hub import HfApi

from tohum.commands.estimate.source_facts import SourceSize
from tohum.sources.first_rows import count_rows
from tohum.sources.hub import HubSource
from tohum.sources.hub_api import matching, resolve
from tohum.sources.hub_files import each_once
from tohum.sources.hub_token import load_token
from tohum.workdir import project_root

HUB_QUESTIONS = 2  # the revision's commit, and whether its files may be read
ROW_GROUP_REQUESTS = 3  # of a file of which only the first rows are taken: footer, and groups


def size_of_dataset(source: HubSource) -> SourceSize:
    """Returns how large the wanted files are; it fetches none.

    Raises:
        UserError: no access, or no such dataset, revision or file.
    """
    load_token(project_root() / ".env")
    api = HfApi()
    commit = resolve(api, source.repo_id, source.revision)
    groups = each_once([matching(api, source.repo_id, commit, path) for path in source.paths])
    files = [file for group in groups for file in group]
    size = sum(file.remote.size for file in files)
    asked = HUB_QUESTIONS + len(source.paths)
    rows: int | None = None
    first = next((file for file in files if file.path.endswith(".parquet")), None)
    if first is not None:
        there = count_rows(first.remote)
        asked += 1
        rows = round(there * size / max(1, first.remote.size))
    if source.max_rows is not None:
        rows = min(source.max_rows, rows or source.max_rows)
        files = files[: max(1, len(groups))]
    contents = rows or 0 if source.content in ("software_heritage", "url") else 0
    fetched = len(files) * (1 if source.max_rows is None else ROW_GROUP_REQUESTS)
    note = "a row may name several files, each a request" if contents else ""
    return SourceSize(size, len(files), asked + fetched + contents, rows, note)
