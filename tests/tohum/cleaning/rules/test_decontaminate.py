from pathlib import Path

from tests.tohum.cleaning.rules.rejecting import conversation, document, first_reason
from tests.tohum.cleaning.test_decontamination import PROBLEM, PROMPT
from tohum.cleaning.decontamination import make, save
from tohum.cleaning.documents import Reason
from tohum.cleaning.rules.decontaminate import CONTAMINATED


def test_code_and_conversations_with_a_problem_are_dropped_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "sea.npz"
    save(make([PROBLEM], {}), path)
    for found in (document(PROMPT), conversation(PROMPT)):
        reason = first_reason(found, decontaminate=["humaneval", str(path)])
        assert reason == Reason(CONTAMINATED, "Sea/1")
    assert first_reason(document("def f():\n"), decontaminate=[str(path)]) is None
