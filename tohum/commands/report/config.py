"""The keys of conf/report.yaml."""

from dataclasses import dataclass

from tohum.config.sections import limits


@dataclass
class ReportPage:
    """How much `tohum report --html` shows."""

    files: int = limits(minimum=0, maximum=50)
    excerpt_tokens: int = limits(minimum=1, maximum=5000)
    entries: int = limits(minimum=1, maximum=1000)
    examples: int = limits(minimum=0, maximum=100)
    new_tokens: int = limits(minimum=1, maximum=2000)
