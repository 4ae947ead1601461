"""The columns of the Stack's releases on the Hub, in their order and with their types.

Sources: the datasets' cards and pyarrow's reading of their files. stack-edu is written with 64-bit
offsets (large_string), unlike the others.
"""

import pyarrow

STRING = pyarrow.string()
STRINGS = pyarrow.list_(STRING)
LARGE_STRING = pyarrow.large_string()
TIME = pyarrow.timestamp("ns")
INT32 = pyarrow.int32()
INT64 = pyarrow.int64()
FLOAT = pyarrow.float32()
DOUBLE = pyarrow.float64()
BOOL = pyarrow.bool_()

# bigcode/the-stack-v2 and -dedup: one row per file.
STACK_V2 = pyarrow.schema(
    {
        "blob_id": STRING,
        "directory_id": STRING,
        "path": STRING,
        "content_id": STRING,
        "detected_licenses": STRINGS,
        "license_type": STRING,
        "repo_name": STRING,
        "snapshot_id": STRING,
        "revision_id": STRING,
        "branch_name": STRING,
        "visit_date": TIME,
        "revision_date": TIME,
        "committer_date": TIME,
        "github_id": INT64,
        "star_events_count": INT64,
        "fork_events_count": INT64,
        "gha_license_id": STRING,
        "gha_event_created_at": TIME,
        "gha_created_at": TIME,
        "gha_language": STRING,
        "src_encoding": STRING,
        "language": STRING,
        "is_vendor": BOOL,
        "is_generated": BOOL,
        "length_bytes": INT64,
        "extension": STRING,
    }
)

# bigcode/the-stack-v2-train-full-ids and -train-smol-ids: one row per repository.
TRAIN_IDS_FILE = pyarrow.struct(
    {
        "blob_id": STRING,
        "path": STRING,
        "content_id": STRING,
        "language": STRING,
        "length_bytes": INT64,
        "detected_licenses": STRINGS,
        "license_type": STRING,
        "src_encoding": STRING,
        "is_vendor": BOOL,
        "is_generated": BOOL,
        "alphanum_fraction": FLOAT,
        "alpha_fraction": FLOAT,
        "num_lines": INT32,
        "avg_line_length": FLOAT,
        "max_line_length": INT32,
    }
)
TRAIN_IDS = pyarrow.schema(
    {
        "repo_name": STRING,
        "repo_url": STRING,
        "snapshot_id": STRING,
        "revision_id": STRING,
        "directory_id": STRING,
        "branch_name": STRING,
        "visit_date": TIME,
        "revision_date": TIME,
        "committer_date": TIME,
        "github_id": INT64,
        "star_events_count": INT64,
        "fork_events_count": INT64,
        "gha_license_id": STRING,
        "gha_created_at": TIME,
        "gha_updated_at": TIME,
        "gha_pushed_at": TIME,
        "gha_language": STRING,
        "files": pyarrow.list_(TRAIN_IDS_FILE),
        "num_files": INT64,
    }
)

# HuggingFaceTB/stack-edu.
STACK_EDU = pyarrow.schema(
    {
        "blob_id": LARGE_STRING,
        "language": LARGE_STRING,
        "repo_name": LARGE_STRING,
        "path": LARGE_STRING,
        "src_encoding": LARGE_STRING,
        "length_bytes": INT64,
        "score": DOUBLE,
        "int_score": INT64,
        "detected_licenses": pyarrow.large_list(LARGE_STRING),
        "license_type": LARGE_STRING,
    }
)

# HuggingFaceTB/smollm-corpus, python-edu: no src_encoding.
PYTHON_EDU = pyarrow.schema(
    {
        "blob_id": STRING,
        "repo_name": STRING,
        "path": STRING,
        "length_bytes": INT64,
        "score": DOUBLE,
        "int_score": INT64,
    }
)

# HuggingFaceCode/stack-v3-train: one row per repository, with the text.
STACK_V3_GITHUB = pyarrow.struct(
    {
        "branch": STRING,
        "commit_count": INT32,
        "repo_created_at": STRING,
        "is_fork": BOOL,
        "is_org_owned": BOOL,
        "forked_from": STRING,
        "stars": INT32,
        "forks": INT32,
        "issues": INT32,
        "pull_requests": INT32,
    }
)
STACK_V3_FILE = pyarrow.struct(
    {
        "content_id": STRING,
        "content": STRING,
        "size_bytes": INT32,
        "file_path": STRING,
        "file_timestamp": INT64,
        "language": STRING,
        "is_vendor": BOOL,
        "license_type": STRING,
        "detected_licenses": STRINGS,
    }
)
STACK_V3 = pyarrow.schema(
    {
        "repo_path": STRING,
        "repo_id": INT64,
        "commit_id": STRING,
        "github_metadata": STACK_V3_GITHUB,
        "num_files": INT64,
        "files": pyarrow.list_(STACK_V3_FILE),
    }
)

# bigcode/the-stack-smol: the first release, with the text.
STACK_SMOL = pyarrow.schema(
    {
        "content": STRING,
        "avg_line_length": DOUBLE,
        "max_line_length": INT64,
        "alphanum_fraction": DOUBLE,
        "licenses": STRINGS,
        "repository_name": STRING,
        "path": STRING,
        "size": INT64,
        "lang": STRING,
    }
)
