"""What a beginner does wrong, told in Turkish by the real stages and commands."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import TINY, Clone, make_clone

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def turkish(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    """A clone in which programs speak Turkish; the tests share it."""
    clone = make_clone(tmp_path_factory.mktemp("turkish") / "clone")
    with pytest.MonkeyPatch.context() as variables:
        variables.setenv("TOHUM_LANG", "tr")
        yield clone


def said(clone: Clone, module: str, *arguments: str) -> tuple[int, str]:
    """The exit code of a module's process in a clone, and what it prints."""
    done = clone.run(sys.executable, "-m", module, *arguments, check=False)
    return done.returncode, done.stdout + done.stderr


def test_a_misspelt_key(turkish: Clone) -> None:
    turkish.override("train.stepz=5")
    assert said(turkish, "stages.compose") == (
        1,
        "compose: hata: 'train.stepz' diye bir anahtar yok. Bunu mu demek istedin: 'steps'?\n",
    )


def test_a_value_out_of_range_and_one_of_the_wrong_type(turkish: Clone) -> None:
    turkish.override("tokenizer.vocab_size=-1")
    assert "tokenizer.vocab_size değeri -1, en az " in said(turkish, "stages.compose")[1]
    turkish.override("tokenizer.vocab_size=many")
    told = said(turkish, "stages.compose")[1]
    assert "tokenizer.vocab_size değeri 'many', beklenen: bir tam sayı" in told


def test_a_folder_that_is_not_there(turkish: Clone) -> None:
    turkish.override("source=local", "source.path=nowhere", "source.license=null")
    assert said(turkish, "stages.compose")[0] == 0
    code, told = said(turkish, "stages.download")
    assert code == 1
    assert "download: hata: source.path 'nowhere', ama " in told
    assert "Dosyalarının klasörünü ver." in told


def test_too_little_data(turkish: Clone, tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "one.py").write_text("print('a program that is long enough')\n" * 9)
    path = f"source.path={tmp_path / 'code'}"
    turkish.override("source=local", path, "source.license=null")
    for stage in ("compose", "download"):
        assert said(turkish, f"stages.{stage}")[0] == 0
    code, told = said(turkish, "stages.jsonl")
    assert code == 1
    assert "jsonl: hata: derlem çok küçük: 1 kayıt var, en az 2 gerekir" in told


def test_a_command_that_is_not_there_and_help(turkish: Clone) -> None:
    told = said(turkish, "tohum", "inspekt")[1]
    assert told == "tohum: hata: 'inspekt' diye bir komut yok. Bunu mu demek istedin: 'inspect'?\n"
    told = said(turkish, "tohum", "generate", "--help")[1]
    assert told.startswith(
        "kullanım: tohum generate [-h] [ANAHTAR=DEĞER ...]\n\nBir istemi sürdürür"
    )
    assert re.search(r"seçenekler:\n  -h, --help +bu yardımı gösterir ve çıkar", told)
    assert '  prompt: "def " # sürdürülecek metin; sohbette soru\n' in told
    code, told = said(turkish, "tohum", "inspect", "--rows", "many", "x.csv")
    assert (code, told.splitlines()[-1]) == (
        2,
        "tohum inspect: hata: --rows seçeneği: geçersiz int değeri: 'many'",
    )


def test_a_table_is_described_and_its_rows_stay_as_they_are(turkish: Clone) -> None:
    rows = "soru;cevap\nThe file is missing.;no text\nNo such file or directory;unused: x\n"
    (turkish.root / "sorular.csv").write_text(rows)
    code, told = said(turkish, "tohum", "inspect", "sorular.csv")
    assert code == 0
    assert told.startswith("sorular.csv: 1 veri dosyası, ")
    assert "  ayırıcı ';' (noktalı virgül): başlık söylüyor" in told
    assert "    soru   The file is missing.\n    cevap  no text\n" in told
    assert "    soru   No such file or directory\n    cevap  unused: x\n" in told
    assert "    - source=files\n" in told


ENGLISH = re.compile(r"\b(?:and|are|at|bytes of|for|is|most|of|requests|stage|the|time|with)\b")


def test_an_estimate_has_no_english_word_left(turkish: Clone) -> None:
    turkish.override(*TINY)
    code, told = said(turkish, "tohum", "estimate")
    assert code == 0, told
    head = next(line for line in told.splitlines() if line.startswith("  aşama"))
    assert head.split() == ["aşama", "süre", "bellek", "disk", ".work'te", "istek", "belirleyen"]
    assert re.search(r"^  download +\d+ sn ", told, re.M)
    assert ENGLISH.findall(told) == []


def test_a_pictures_words_are_turkish(turkish: Clone) -> None:
    code, told = said(turkish, "tohum", "show", "curves", "svg=curves.svg")
    assert code == 0, told
    svg = (turkish.root / "curves.svg").read_text("utf-8")
    words = re.findall(r">([^<>\n]*[a-z][^<>\n]*)</t", svg)
    assert set(words) == {
        "Adım adım bayt başına bit",
        "bayt başına bit",
        "adım",
        "eğitim",
        "doğrulama",
    }
