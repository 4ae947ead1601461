from stages.encode.balance import FEW, remarks
from stages.encode.tallies import Tallies


def of_sources(**sizes: int) -> Tallies:
    tallies = Tallies({})
    for name, size in sizes.items():
        tallies.add({"source": name, "path": "a.py"}, "train", size // 2, 1)
        tallies.add({"source": name, "path": "a.py"}, "val", size - size // 2, 1)
    return tallies


def test_a_few_validation_documents_get_a_sentence() -> None:
    (remark,) = remarks(5, 0.02, of_sources(qa=100))
    assert remark.startswith("only 5 documents are held out for validation")
    assert "encode.validation_share (0.02; up to 0.5)" in remark
    assert remarks(1, 0.02, of_sources(qa=100))[0].startswith("only 1 document is held out")


def test_a_source_that_drowns_gets_a_sentence_with_the_key_that_helps() -> None:
    (remark,) = remarks(FEW, 0.02, of_sources(packages=999_400, qa=600))
    assert "'qa' is 0.06% of the text (600 of 1,000,000 bytes)" in remark
    assert "jsonl.sources.qa.weight" in remark


def test_a_corpus_in_balance_gets_none() -> None:
    assert remarks(FEW, 0.02, of_sources(packages=90, qa=10)) == []
    assert remarks(FEW, 0.02, of_sources(packages=10**9)) == []
