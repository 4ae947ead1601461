"""Overrides as people write them: what was meant is told, ready to paste, and it composes."""

import re
import shutil
from pathlib import Path

import pytest
import yaml
from hypothesis import assume, example, given
from hypothesis import strategies as st

from stages.compose.composition import compose, read_overrides
from stages.compose.corrections import TO_PASTE, corrected, presets
from stages.compose.device import check_device
from tests.conftest import PROJECT
from tohum.errors import UserError

CONF = PROJECT / "conf"


def pasted(refused: UserError) -> list[str]:
    """The overrides of the lines that a message offers."""
    lines = str(refused).partition(TO_PASTE)[2]
    assert lines, refused
    overrides = yaml.safe_load(lines)["overrides"]
    assert isinstance(overrides, list)
    return overrides


def meant(*overrides: str) -> list[str]:
    with pytest.raises(UserError) as refused:
        compose(CONF, list(overrides))
    return pasted(refused.value)


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("/home/ben/ödev", "/home/ben/ödev"),
        ("/home/İş Yeri/kod", "/home/İş Yeri/kod"),
        ("~/kod", "~/kod"),
        ("'~/ödev", "~/ödev"),
        ("/home/a,b", "/home/a,b"),
        ("/home/a#b", "/home/a#b"),
        ("/home/a(1)", "/home/a(1)"),
        ("/home/a[1]{2}", "/home/a[1]{2}"),
        ("/home/a=b;c&d!", "/home/a=b;c&d!"),
        ("/home/ali's", "/home/ali's"),
        ('/home/ali\'s "kod"', '/home/ali\'s "kod"'),
        ("“/home/ben”", "/home/ben"),
        ("\u2018/home/ben\u2019", "/home/ben"),
        (r"C:\Program Files (x86)\kod", "C:/Program Files (x86)/kod"),
        (r"D:\yeni klasör\n", "D:/yeni klasör/n"),
        ('"C:\\Users\\ben\\"', "C:/Users/ben/"),
        (r"\\sunucu\ortak\kod", "//sunucu/ortak/kod"),
        (r"[C:\kod", "[C:/kod"),
        ("C:\temp\new\f", "C:/temp/new/f"),
        ("2024_01", "2024_01"),
        ("null", "null"),
        ("$KOD/a", "/srv/ö/a"),
        ("${KOD}/a", "/srv/ö/a"),
        (r"%KOD%\a", "/srv/ö\\a"),
    ],
)
def test_a_path_is_told_as_hydra_reads_it(
    written: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KOD", "/srv/ö")
    lines = meant("source=local", f"source.path={written}")
    assert compose(CONF, lines)["source"]["path"] == path


@pytest.mark.parametrize(
    "written",
    [r"C:\Users\ben\kod", "C:/Users/ben", "C:\\Users\\", "//sunucu/ortak", "/home/a b", "..\\kod"],
)
def test_a_path_that_hydra_reads_as_it_is_stays(written: str) -> None:
    assert compose(CONF, ["source=local", f"source.path={written}"])["source"]["path"] == written


@pytest.mark.parametrize("quoted", [r"'C:\Users\ben'", r'"C:\Users\ben"', r"C:\\Users\\ben"])
def test_a_path_in_quotes_or_with_doubled_backslashes_is_that_path(quoted: str) -> None:
    values = compose(CONF, ["source=local", f"source.path={quoted}"])
    assert values["source"]["path"] == r"C:\Users\ben"


PATH = "source.path=x"


@pytest.mark.parametrize(
    "written",
    [
        "soruce=local",
        "Source=Local",
        "source=loacl",
        "source=lcoal",
        "source = local",
        "source =local",
        "source==local",
        "source: local",
        "source:local",
        "source local",
        "--source=local",
        "-S source=local",
        "'source=local'",
        '"source=local"',
        "\ufeffsource = local",
        "+source=local",
        "+soruce=local",
        "source=lokal",
        "source=LOCAL.yaml",
        "source=conf\\source\\local.yam",
    ],
)
def test_a_group_is_told_by_the_name_that_it_has(written: str) -> None:
    assert meant(written, PATH) == ["source=local", PATH]


FILES = "source=files"


@pytest.mark.parametrize(
    ("written", "right"),
    [
        ([FILES, "source.paths=a.csv"], [FILES, "source.paths=[a.csv]"]),
        ([FILES, "source.paths=ö.csv"], [FILES, "source.paths=['ö.csv']"]),
        ([FILES, "source.paths=a.csv,b c.csv"], [FILES, "source.paths=[a.csv, b c.csv]"]),
        (
            [FILES, r"source.paths=[C:\a.csv, ~/b.csv, \\s\ç\*.csv]"],
            [FILES, "source.paths=[C:/a.csv, '~/b.csv', '//s/ç/*.csv']"],
        ),
        (
            [FILES, "source.paths=[a]", "jsonl.fields={user: soru, assistant: yanıt}"],
            [FILES, "source.paths=[a]", "jsonl.fields={user: soru, assistant: 'yanıt'}"],
        ),
        (["source=local", "source.path=/a", "b"], ["source=local", "source.path='/a, b'"]),
        (["sorce=[pakages,qa:file]", "source.qa.paths=[ö]"],
         ["source=[packages,qa:files]", "source.qa.paths=['ö']"]),
        (["modl.num_layers=3"], ["model.num_layers=3"]),
        ([r"pretokenizer.pattern=\p{L}+ö"], [r"pretokenizer.pattern='\p{L}+ö'"]),
        (["source=local", PATH, "source.license=MIT (ö)"],
         ["source=local", PATH, "source.license='MIT (ö)'"]),
    ],
)  # fmt: skip
def test_any_other_override_is_told_as_it_was_meant(written: list[str], right: list[str]) -> None:
    assert meant(*written) == right


@pytest.mark.parametrize(
    "overrides",
    [
        ["model.num_layers=0", "model='tiny'", "source=[packages, tiny]"],
        ["model.num_layers=1,2"],
        ["model=null"],
        ["source=qqqqq"],
        ["~source"],
    ],
)
def test_what_can_not_be_told_is_not_guessed(overrides: list[str]) -> None:
    with pytest.raises(UserError) as refused:
        compose(CONF, overrides)
    assert TO_PASTE not in str(refused.value)


TEXT = st.text(alphabet="aö=.,:'\"\\ []{}$()#%\t\n-+~/“", max_size=12)


@given(st.lists(TEXT, max_size=3))
@example(["a=[", "b"])
@example(["", "source.path=a\\", "b"])
def test_any_text_can_be_corrected_and_a_correction_is_right(texts: list[str]) -> None:
    once = corrected(CONF, texts)
    assert corrected(CONF, once) == once


@given(st.text(alphabet="aö =.,:'\"\\[]{}()#%-+~/“", min_size=1, max_size=12).map(str.strip))
def test_any_path_is_corrected_to_one_that_composes(path: str) -> None:
    assume(re.search(r"\w", path))  # quotes and signs alone name nothing
    lines = corrected(CONF, ["source=local", f"source.path={path}"])
    read = compose(CONF, lines)["source"]["path"]
    assert isinstance(read, str)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ('overrides: [source=local, "source.path=\'C:\\Us\'"]', "source.path='C:\\Us'"),
        ('overrides: [source=local, "source.path=C:\\Users\\ö\\"]', "source.path='C:/Users/ö/'"),
        ("overrides: [source=local, source.path=/home/c #1]", "source.path='/home/c #1'"),
        ("overrides: [source=local, source.path='/home/c, d']", "source.path='/home/c, d'"),
        ("overrides: source=local, source.path=/x", "source.path=/x"),
        ("overrides: source=local  source.path=/x", "source.path=/x"),
        ("overrides: {source: local, source.path: /x}", "source.path=/x"),
        ("overrides: [source: local, source.path: C:\\x]", "source.path=C:\\x"),
        ("overrides:\n- source: local\n- source.path: /ö\n", "source.path='/ö'"),
        ('# a\noverrides:\n- source=local\n- "source.path=C:\\k"\n', "source.path=C:\\k"),
        ("overrides:\n\t- source=local\n\t- source.path=/x\n", "source.path=/x"),
        ("[source=local, source.path=/x]", "source.path=/x"),
        ("overrides=[source=local, source.path=/x]", "source.path=/x"),
        ("overrides : [source=local, source.path=/x", "source.path=/x"),
    ],
)  # fmt: skip
def test_a_params_yaml_of_another_form_is_told_as_it_was_meant(
    text: str, right: str, tmp_path: Path
) -> None:
    shutil.copytree(CONF, tmp_path / "conf")
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    try:
        lines = corrected(CONF, read_overrides(path))
    except UserError as refused:
        lines = pasted(refused)
    assert lines == ["source=local", right]


@pytest.mark.parametrize("text", ["", "overrides:", "# nothing\n\n", "overrides: # none\n"])
def test_a_params_yaml_without_overrides_is_told_the_empty_list(text: str, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(UserError) as refused:
        read_overrides(tmp_path / "params.yaml")
    assert pasted(refused.value) == []


@pytest.mark.parametrize("encoding", ["utf-16", "cp1254"])
def test_a_params_yaml_that_is_not_utf_8_is_told(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_bytes("overrides: [] # ğüşıöç\n".encode(encoding))
    with pytest.raises(UserError, match=r"params\.yaml is not UTF-8 .*Save it as UTF-8"):
        read_overrides(tmp_path / "params.yaml")


@pytest.mark.parametrize("encoding", ["utf-16", "cp1254"])
def test_a_preset_that_is_not_utf_8_is_told(encoding: str, tmp_path: Path) -> None:
    conf = Path(shutil.copytree(CONF, tmp_path / "conf"))
    preset = conf / "model" / "tiny.yaml"
    preset.write_bytes((preset.read_text("utf-8") + "# ğüşıöç\n").encode(encoding))
    with pytest.raises(UserError, match=r"tiny\.yaml is not UTF-8 .*Save it as UTF-8"):
        compose(conf, [])


def test_what_an_editor_leaves_in_conf_is_no_preset(tmp_path: Path) -> None:
    """Emacs' link for an unsaved file leads nowhere, and a Mac's resource fork is not text."""
    conf = Path(shutil.copytree(CONF, tmp_path / "conf"))
    before, there = compose(conf, []), presets(conf, "model")
    (conf / "model" / ".#laptop.yaml").symlink_to("someone@somewhere.1234")
    (conf / "model" / "._laptop.yaml").write_bytes(b"\x00\x05\x16\x07\xff")
    assert (compose(conf, []), presets(conf, "model")) == (before, there)


def test_a_byte_order_mark_is_no_part_of_the_overrides(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("overrides: [model=tiny]\n", encoding="utf-8-sig")
    assert read_overrides(tmp_path / "params.yaml") == ["model=tiny"]


def test_a_device_that_is_not_there_is_refused_with_the_lines_that_train_anywhere() -> None:
    import torch

    missing = "mps" if torch.cuda.is_available() else "cuda"
    overrides = ["train=t4_colab", "model=t4_colab", f"train.device={missing}"]
    with pytest.raises(UserError, match=f"train.device is {missing}, which this machine") as told:
        check_device(compose(CONF, overrides), overrides)
    lines = pasted(told.value)
    assert lines == ["train=t4_colab", "model=t4_colab", "train.device=auto"]
    check_device(compose(CONF, lines), lines)
