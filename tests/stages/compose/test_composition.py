import dataclasses
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stages.compose.checking import SECTIONS, check
from stages.compose.composition import compose, read_overrides, write_lock_file
from stages.jsonl.config import rules_of
from tohum.config.loading import load, load_values
from tohum.config.runtime import load_runtime
from tohum.errors import UserError
from tohum.model.config import Model
from tohum.sources.config import read_source
from tohum.sources.local import LocalSource
from tohum.sources.packages import PackagesSource

CONF = Path(__file__).parents[3] / "conf"
PRESETS = sorted(path.relative_to(CONF).with_suffix("") for path in CONF.glob("*/*.yaml"))


def refusal(overrides: list[str], conf: Path = CONF) -> str:
    with pytest.raises(UserError) as caught:
        compose(conf, overrides)
    return str(caught.value)


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    return Path(shutil.copytree(CONF, tmp_path / "conf"))


def test_every_group_has_a_preset_on_disk() -> None:
    assert {preset.parent.name for preset in PRESETS} == {"source", *SECTIONS}


def test_composing_needs_no_client_of_a_source() -> None:
    """They take seconds to import; a wrong value is to be reported at once."""
    heavy = ("huggingface_hub", "pyarrow", "pycurl", "requests", "torch", "numba")
    code = f"import stages.compose.__main__, sys; print([x for x in {heavy} if x in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("preset", PRESETS, ids=str)
def test_every_preset_composes(preset: Path) -> None:
    overrides = [f"{preset.parent.name}={preset.name}"]
    if preset.as_posix() == "source/local":
        overrides.append("source.path=/home/me/code")
    if preset.as_posix() == "source/hub":
        overrides.append("source.repo_id=me/code")
    if preset.as_posix() == "source/files":
        overrides.append("source.paths=[qa.csv]")
    values = compose(CONF, overrides)
    own = yaml.safe_load((CONF / preset).with_suffix(".yaml").read_text("utf-8"))
    assert own.pop("jsonl", {}).items() <= values["jsonl"].items()
    for key, value in own.items():
        if key != "defaults" and value not in ("???", f"${{derived:{key}}}"):
            assert values[preset.parent.name][key] == value


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["source=tiny", "model=tiny", "train=tiny", "pretokenizer=gpt2"],
        ["source=local", "source.path='/home/me/kod ğ'", "jsonl.shard_bytes=null"],
        ["train.steps=null", "train.minutes=2.5"],
    ],
)
def test_the_lock_file_loads_as_the_same_config(tmp_path: Path, overrides: list[str]) -> None:
    values = compose(CONF, overrides)
    path = tmp_path / "params.lock.yaml"
    write_lock_file(path, values)
    checked = check(values)
    for name, section in vars(checked).items():
        if name != "source":
            assert load(name, type(section), path) == section
    assert read_source(load_values("source", path)) == checked.source
    assert path.read_text("utf-8").startswith("# The whole effective configuration")


def test_the_lock_file_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    paths = [tmp_path / "one", tmp_path / "two"]
    for path in paths:
        write_lock_file(path, compose(CONF, ["model=tiny", "train=tiny"]))
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_the_kind_of_source_chooses_its_class() -> None:
    assert isinstance(check(compose(CONF, [])).source, PackagesSource)
    local = check(compose(CONF, ["source=local", "source.path=code"])).source
    assert isinstance(local, LocalSource)
    assert local.path == "code"


def test_an_override_changes_its_value_and_no_other() -> None:
    values, changed = compose(CONF, []), compose(CONF, ["tokenizer.vocab_size=4096"])
    assert changed["tokenizer"]["vocab_size"] == 4096
    values["tokenizer"]["vocab_size"] = 4096
    assert changed == values


MODELS, TRAININGS = (
    [preset.name for preset in PRESETS if preset.parent.name == group]
    for group in ("model", "train")
)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("train", TRAININGS)
def test_every_model_goes_with_every_training(model: str, train: str) -> None:
    compose(CONF, [f"model={model}", f"train={train}"])


@pytest.mark.parametrize("source", [preset for preset in PRESETS if preset.parent.name == "source"])
def test_every_source_goes_with_every_way_to_clean_and_cut(source: Path) -> None:
    given = {"local": ["source.path=code"], "files": ["source.paths=[a.csv]"]}
    given["hub"] = ["source.repo_id=owner/name"]
    for jsonl, pretokenizer in (("clean", "gpt2"), ("default", "gpt4")):
        presets = [f"source={source.name}", f"jsonl={jsonl}", f"pretokenizer={pretokenizer}"]
        compose(CONF, [*presets, "model=tiny", "train=tiny", *given.get(source.name, [])])


def test_a_value_override_wins_over_the_preset_in_any_order() -> None:
    tiny = compose(CONF, ["train=tiny"])
    assert tiny["train"]["steps"] != 7
    tiny["train"]["steps"] = 7
    for overrides in (["train=tiny", "train.steps=7"], ["train.steps=7", "train=tiny"]):
        assert compose(CONF, overrides) == tiny


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["model.num_layer=3"], "unknown key 'model.num_layer'. Did you mean 'num_layers'?"),
        (["+model.zzz=3"], "unknown key 'model.zzz'. Known: architecture, hidden_size,"),
        (["source.path=/home/me"], "unknown key 'source.path'."),
        (["+trains.steps=3"], "unknown section 'trains'. Did you mean 'train'?"),
        *(([f"~{name}"], f"the section '{name}' is missing") for name in ("source", *SECTIONS)),
        (["source=tiny", "~source"], "the section 'source' is missing"),
        (["source=[tiny]", "~source"], "the section 'source' is missing"),
        (["source.jsonl=3"], "unknown key 'source.jsonl'"),
        (["jsonl.sources=[1]"], "conf/ and the overrides"),
        (["~model.num_layers"], "model.num_layers has no value"),
        (["source=local"], "source.path has no value: give it one"),
        (["source.kind=web"], "source.kind is 'web', allowed: packages, local, files, hub, mix."),
        (["tokenizer.vocab_size=many"], "tokenizer.vocab_size is 'many', expected a whole number"),
        (["train.steps=1.5"], "train.steps is 1.5, expected a whole number or null"),
        (["tokenizer.vocab_size=264"], "tokenizer.vocab_size is 264, expected at least 265."),
        (["encode.validation_share=0.6"], "encode.validation_share is 0.6, expected at most 0.5."),
        (["jsonl.compression=gzip"], "jsonl.compression is 'gzip', allowed: none, zstd."),
        (["source.suffixes=null"], "source.suffixes is None, expected list[str]"),
        (["source.suffixes=.py"], "source.suffixes is '.py', expected list[str]"),
        (["source.packages=[null]"], "source.packages is [None], expected list[str]"),
        (["jsonl.min_bytes=null"], "jsonl.min_bytes is None, expected a whole number"),
    ],
)
def test_a_wrong_value_is_told_with_its_key_and_what_is_allowed(
    overrides: list[str], told: str
) -> None:
    assert refusal(overrides).startswith(told)


@pytest.mark.parametrize(
    ("overrides", "keys"),
    [
        (["model.hidden_size=100", "model.num_heads=4"], ["model.hidden_size is 100", "(8)"]),
        (
            ["model.num_heads=4", "model.num_key_value_heads=3", "model.hidden_size=64"],
            ["model.num_heads is 4", "num_key_value_heads (3)"],
        ),
        (["train.steps=9", "train.minutes=1"], ["train.steps is 9", "train.minutes is 1", "null"]),
        (["train.steps=null"], ["train.steps is None", "train.minutes is None"]),
        (["train.processes=3"], ["train.tokens_per_step is", "3 processes x train.micro_batch"]),
        (
            ["train.device=mps", "train.processes=2", "train.micro_batch_tokens=1024"],
            ["train.device is mps", "train.processes is 2"],
        ),
        (
            ["train.tokens_per_step=1000", "model.context_length=256"],
            ["train.tokens_per_step is 1000", "context_length (256)"],
        ),
        (
            ["train.micro_batch_tokens=300", "model.context_length=256"],
            ["train.micro_batch_tokens is 300", "(256)"],
        ),
        (
            [
                "train.tokens_per_step=1024",
                "train.micro_batch_tokens=768",
                "model.context_length=256",
            ],
            ["tokens_per_step is 1024", "(768)"],
        ),
        (
            ["train.warmup_share=0.5", "train.cooldown_share=0.6"],
            ["warmup_share (0.5)", "cooldown_share (0.6)", "lower one"],
        ),
        (
            ["jsonl.min_bytes=20", "jsonl.max_bytes=10"],
            ["jsonl.min_bytes is 20", "jsonl.max_bytes (10)"],
        ),
    ],
)
def test_values_that_do_not_go_together_are_told_with_both_keys(
    overrides: list[str], keys: list[str]
) -> None:
    told = refusal(overrides)
    assert [key for key in keys if key not in told] == []


FILES = ["source=files", "source.paths=[a.csv]"]
HUB = ["source=hub", "source.repo_id=a/b"]
ROWS = [*HUB, "source.content=rows"]


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ([*FILES, "jsonl.languages=[Python]"], "unknown key 'jsonl.languages'"),
        ([*FILES, "source.languages=[Python]"], "unknown key 'source.languages'"),
        (["source.min_stars=3"], "unknown key 'source.min_stars'"),
        (["source=local", "source.path=a", "source.max_lost_share=0"], "unknown key"),
        ([*ROWS, "source.languages=[Python]"], "source.languages is ['Python'], but"),
        ([*ROWS, "source.columns.language=lang", "source.languages=[C]"], "source.languages is"),
        (["source=stack_edu", "source.min_stars=3"], "source.min_stars is 3, but source.columns"),
        (["source=stack_edu", "source.exclude_vendored=true"], "source.exclude_vendored is True"),
        (["source=hub", "source.repo_id=a/b", "source.max_file_bytes=9"], "source.max_file_bytes"),
        (["source=[edu:stack_edu]", "source.edu.min_stars=1"], "source.edu.min_stars is 1, but"),
        (["source=stack_v2", "source.max_lost_share=2"], "source.max_lost_share is 2"),
        ([*HUB, "source.content=url"], "source.content is url, which takes the column 'url', but"),
        (["source=stack_v2", "source.content=inline"], "source.content is inline, which takes"),
        ([*HUB, "source.content=software_heritage"], "source.content is software_heritage, which"),
        ([*HUB, "+source.columns.licence=x"], "source.columns has licence, which is not one of"),
    ],
)
def test_a_rule_on_rows_that_can_not_hold_is_refused(overrides: list[str], told: str) -> None:
    assert refusal(overrides).startswith(told)


def test_a_rule_holds_where_its_column_is_named() -> None:
    given = ["source=hub", "source.repo_id=a/b", "+source.columns.language=lang"]
    source = compose(CONF, [*given, "source.languages=[Python]"])["source"]
    assert source["languages"] == ["Python"]


def test_an_unknown_preset_is_told_with_the_known_ones() -> None:
    told = refusal(["model=huge"])
    assert told.startswith("model has no preset 'huge'. Known: laptop, one_hour, ")
    assert "Corrected" not in told


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("modle=tiny", "unknown section 'modle'. Did you mean 'model'?"),
        ("modle.num_layers=2", "unknown section 'modle'. Did you mean 'model'?"),
        ("+zoo=tiny", "unknown section 'zoo'. Known: encode, "),
        ("source=[tiny,qa:flies]", "source has no preset 'flies'. Did you mean 'files'?"),
        ("runtime.workers=3", "'runtime' is not part of what is composed: its values are those of"),
        ("model.num_layers=1,2", "model.num_layers has several values, 1,2: only `tohum sweep -m`"),
        ("model=tiny,laptop", "model has several values, tiny,laptop: only `tohum sweep -m`"),
        ("model=[", "the override 'model=[' can't be read. It is a key, an equals sign and a"),
        ("model.num_layers", "the override 'model.num_layers' can't be read. "),
        ("", "the override '' can't be read. "),
    ],
)
def test_an_override_that_can_not_hold_is_told_in_plain_words(override: str, told: str) -> None:
    assert refusal([override]).startswith(told)


@pytest.mark.parametrize(
    "overrides",
    [["source=[packages:]"], ["source=['qa: packages']"], ["source=[huge]", "source=packages"]],
)
def test_a_list_of_sources_is_read_in_one_way(overrides: list[str]) -> None:
    compose(CONF, overrides)


@pytest.mark.parametrize(
    "override", ["modle.num_layers=2", "source=[tiny,qa:pakages]", "model=tinny"]
)
def test_only_what_would_be_accepted_is_offered_to_paste(override: str) -> None:
    meant = yaml.safe_load(
        refusal([override]).partition("Corrected, to paste into params.yaml:")[2]
    )
    compose(CONF, meant["overrides"])


@pytest.mark.parametrize(
    "override",
    [
        "model=null",
        "model={a: 1}",
        "source.suffixes=${no.such.key}",
    ],
)
def test_an_override_that_hydra_refuses_is_told(override: str) -> None:
    assert refusal([override]).startswith(f"conf/ and the overrides [{override!r}] do not compose")


RESOLVERS = pytest.mark.parametrize(
    ("written", "why"),
    [
        ("${oc.env:HOME}", "secrets leak"),
        ("${ oc.env : HOME}", "secrets leak"),
        ("${oc.decode:${oc.env:HOME}}", "secrets leak"),
        ("${hydra:runtime.cwd}", "no value outside Hydra"),
    ],
)


@RESOLVERS
def test_a_preset_may_not_use_what_differs_between_machines(
    conf: Path, written: str, why: str
) -> None:
    path = conf / "source" / "local.yaml"
    path.write_text(path.read_text("utf-8").replace("path: ???", f'path: "{written}"'), "utf-8")
    told = refusal(["source=local"], conf)
    assert str(path) in told
    assert why in told


@RESOLVERS
def test_an_override_may_not_use_what_differs_between_machines(written: str, why: str) -> None:
    told = refusal(["source=local", f"source.path={written}"])
    assert told.startswith(f"params.yaml: the override 'source.path={written}' uses")
    assert why in told


def test_one_value_may_refer_to_another() -> None:
    values = compose(CONF, ["model.intermediate_size=${model.hidden_size}"])
    assert values["model"]["intermediate_size"] == values["model"]["hidden_size"]


@pytest.mark.parametrize("text", ["hidden_size: [\n", "a: 1\na: 2\n"])
def test_a_preset_that_is_not_yaml_is_told_by_file(conf: Path, text: str) -> None:
    (conf / "model" / "laptop.yaml").write_text(text)
    told = refusal([], conf)
    assert "do not compose" in told
    assert "laptop.yaml" in told


def test_overrides_are_read_in_order(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("overrides: [model=tiny, train.steps=3]\n")
    assert read_overrides(path) == ["model=tiny", "train.steps=3"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "None"),
        ("overrides:", "None"),
        ("overrides: model=tiny", "'model=tiny'"),
        ("overrides: [1]", "[1]"),
        ("overrides: {model: tiny}", "{'model': 'tiny'}"),
        ("[model=tiny]", "None"),
    ],
)
def test_overrides_of_another_form_are_told_with_an_example(
    tmp_path: Path, text: str, found: str
) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        read_overrides(path)
    assert str(caught.value).startswith(
        f"{path}: overrides is {found}, expected a list of strings such as [source=local,"
    )


def test_malformed_overrides_are_told_by_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("overrides: []\nmore: [\n")
    with pytest.raises(UserError, match=r"params\.yaml is not YAML: (.|\n)*line 3"):
        read_overrides(path)


def test_missing_overrides_are_told_with_the_command_that_restores_them(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"params\.yaml is missing.*git checkout"):
        read_overrides(tmp_path / "params.yaml")


def test_a_missing_lock_file_is_told_with_the_command_that_writes_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"params\.lock\.yaml is missing.*`dvc repro compose`"):
        load("model", Model, tmp_path / "params.lock.yaml")


def test_a_lock_file_edited_by_hand_is_checked_too(tmp_path: Path) -> None:
    values = compose(CONF, [])
    values["model"]["num_layers"] = 0
    write_lock_file(tmp_path / "params.lock.yaml", values)
    with pytest.raises(UserError, match=r"model\.num_layers is 0, expected at least 1"):
        load("model", Model, tmp_path / "params.lock.yaml")


def test_a_malformed_file_of_values_is_told_by_name(tmp_path: Path) -> None:
    path = tmp_path / "runtime.yaml"
    path.write_text("workers: [")
    with pytest.raises(UserError, match=r"runtime\.yaml is not YAML: (.|\n)*`git checkout`"):
        load_runtime(path)


@pytest.mark.parametrize("values", [None, [], "text"])
def test_a_configuration_that_is_no_mapping_is_told_with_its_sections(values: Any) -> None:
    with pytest.raises(UserError, match="expected the sections source, jsonl, pretokenizer"):
        check(values)


def test_the_shipped_runtime_values_are_allowed() -> None:
    runtime = dataclasses.asdict(load_runtime(CONF / "runtime.yaml"))
    assert runtime == yaml.safe_load((CONF / "runtime.yaml").read_text("utf-8"))


def test_a_list_of_sources_is_a_mix_of_presets_with_names() -> None:
    values = compose(
        CONF,
        [
            "source=[packages, mine:local, qa:files]",
            "source.mine.path=/home/me/code",
            "source.qa.paths=[qa.csv,more/*.jsonl]",
            "jsonl.sources.qa.weight=2.5",
            "jsonl.min_bytes=100",
        ],
    )
    assert values["source"]["kind"] == "mix"
    sources = values["source"]["sources"]
    assert list(sources) == ["packages", "mine", "qa"], "in the order in which they are named"
    assert sources["packages"] == compose(CONF, [])["source"]
    assert (sources["mine"]["kind"], sources["mine"]["path"]) == ("local", "/home/me/code")
    assert sources["qa"]["paths"] == ["qa.csv", "more/*.jsonl"]
    config = check(values)
    assert rules_of(config.jsonl, "packages").min_bytes == 100
    qa = rules_of(config.jsonl, "qa")
    assert (qa.min_bytes, qa.weight) == (1, 2.5), "what its preset says, and the override"


@pytest.mark.parametrize(
    ("overrides", "last"),
    [
        (["source=[tiny]", "source=packages"], "source=packages"),
        (["source=packages", "source=[tiny]"], "source=[tiny]"),
        (["source=[packages]", "source=[tiny]"], "source=[tiny]"),
        (["source=packages", "source=tiny"], "source=tiny"),
        (["source=[ tiny , 'qa:packages' ]"], "source=[tiny,qa:packages]"),
        (["train.steps=5", "train.steps=6"], "train.steps=6"),
    ],
)
def test_the_last_of_two_overrides_wins(overrides: list[str], last: str) -> None:
    assert compose(CONF, overrides) == compose(CONF, [last])


def test_an_override_beats_what_a_source_preset_says_of_jsonl() -> None:
    files = ["source=files", "source.paths=[a.csv]"]
    assert compose(CONF, files)["jsonl"]["min_bytes"] == 1
    assert compose(CONF, [*files, "jsonl.min_bytes=7"])["jsonl"]["min_bytes"] == 7


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["source=[packages,qa:files]"], "source.qa.paths has no value"),
        (["source=[packages,nothing]"], "source has no preset 'nothing'. Known: files, "),
        (["source=[a:b:packages]"], "source has no preset 'b:packages'. Did you mean 'packages'?"),
        (["source=[nothing,nothing]"], "source=[nothing,nothing]: 'nothing' is listed twice"),
        (["source=[packages,packages]"], "source=[packages,packages]: 'packages' is listed twice"),
        (["source=[a b:local]"], "source=[a b:local]: 'a b' is not a name"),
        (["source=[]"], "the source is a list of none"),
        (["source=[tiny]", "source.tyni.kind=hub"], "the override 'source.tyni.kind=hub' is for a"),
        (
            ["source=[tiny]", "jsonl.sources.tyni.weight=2"],
            "jsonl.sources has 'tyni', which is not",
        ),
        (
            ["source=[tiny]", "jsonl.sources.tiny.wieght=2"],
            "unknown key 'jsonl.sources.tiny.wieght'",
        ),
        (["source=[tiny]", "jsonl.sources.tiny.weight=0"], "jsonl.sources.tiny.weight is 0"),
        (
            ["source=[tiny]", "jsonl.sources.tiny.near_duplicates=0.8"],
            "jsonl.sources.tiny.near_duplicates can't be set for one source",
        ),
        (
            ["jsonl.sources.packages.weight=2"],
            "jsonl.sources has 'packages', which is not a",
        ),
        (["jsonl.redact=[names]"], "jsonl.redact has 'names', allowed: secrets, emails"),
        (["source.kind=mix"], "the source is a list of none"),
        (
            ["source=[tiny]", "jsonl.sources.tiny=null"],
            "jsonl.sources.tiny is None, expected a map",
        ),
        (["source=[tiny]", "jsonl.sources.tiny=[1]"], "jsonl.sources.tiny is [1], expected a map"),
        (["jsonl.sources=3"], "jsonl.sources is 3, expected"),
        (["source=[tiny]", "jsonl.sources=3"], "jsonl.sources is 3, expected"),
        (["source=[tiny]", "~jsonl"], "the section 'jsonl' is missing"),
        (
            ["source=[tiny]", "source.tiny=3"],
            "the override 'source.tiny=3' replaces a whole source",
        ),
        (["source=[tiny]", "~source.tiny"], "the override '~source.tiny' replaces a whole source"),
        (["+source=[tiny]"], "the override '+source=[tiny]' adds to the source"),
        (["source=[tiny,null]"], "source=[tiny,null]: 'None' is not a name"),
        (["source=[{a: tiny}]"], "source=[{a: tiny}]: '{'a': 'tiny'}' is not a name"),
    ],
)
def test_a_list_that_can_not_be_is_refused(overrides: list[str], told: str) -> None:
    assert refusal(overrides).startswith(told)


NAMES = sorted({name for preset in PRESETS for name in (preset.parent.name, *preset.parts[1:])})
GROUPS = sorted({preset.parent.name for preset in PRESETS})
LISTS = st.lists(st.sampled_from([*NAMES, "a:tiny", "a:", "null", "[x]", "{a: 1}", "'q:tiny'"]))
KEYS = """
jsonl.sources jsonl.sources.tiny jsonl.sources.tiny.weight jsonl.fields jsonl.0
source.max_bytes source.tiny source.tiny.max_bytes source.jsonl source.jsonl.min_bytes
source.kind source.sources.a train train.steps model.hidden_size tokenizer.vocab_size.x x x.y
"""
VALUES = """
null 3 1e400 nan [] [null] [a,{b:1}] {a:1} {null:1} '' ??? choice(1,2)
${model.hidden_size} ${model} ${source} ${x.y} ${model.
"""
GROUP_VALUES = st.one_of(
    st.sampled_from([*NAMES, "null", "nothing"]),
    LISTS.map(lambda names: f"[{','.join(names[:3])}]"),
)


@st.composite
def any_override(draw: st.DrawFn) -> str:
    prefix = draw(st.sampled_from(["", "", "", "+", "++", "~"]))
    if draw(st.booleans()):
        key, value = draw(st.sampled_from([*GROUPS, "source", "source@x"])), draw(GROUP_VALUES)
    else:
        key = draw(st.sampled_from(KEYS.split()))
        value = draw(st.sampled_from([*VALUES.split(), ""]))
    return prefix + key + ("" if prefix == "~" and draw(st.booleans()) else f"={value}")


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(any_override(), min_size=1, max_size=3))
@example(["model=[a,{b: 1}]"])
@example(["+train=[laptop,null]"])
@example(["tokenizer=[3]"])
@example(["source=[tiny]", "jsonl.sources.tiny=null"])
def test_any_overrides_end_in_a_configuration_or_a_message(overrides: list[str]) -> None:
    try:
        check(compose(CONF, overrides))
    except UserError as refused:
        assert str(refused)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ([], (1600, 2900, None)),
        (["train.steps=7"], (7, None, None)),
        (["train.steps=7", "train.bfloat16_steps=9"], (7, 9, None)),
        (["train.bfloat16_steps=9"], (1600, 9, None)),
        (["train.steps=null", "train.minutes=1"], (None, None, 1)),
        (["train.minutes=1"], (None, None, 1)),
        (["train=ten_minutes"], (None, None, 10)),
        (["train=ten_minutes", "train.minutes=3"], (None, None, 3)),
        (["train=ten_minutes", "train.steps=7"], (7, None, None)),
        (["train=ten_minutes", "train.minutes=null", "train.steps=7"], (7, None, None)),
        (["train=tiny", "train.seed=2"], (20, None, None)),
    ],
)
def test_who_asks_for_steps_or_minutes_gets_them_and_no_others(
    overrides: list[str], expected: tuple[int | None, int | None, float | None]
) -> None:
    train = compose(CONF, overrides)["train"]
    assert (train["steps"], train["bfloat16_steps"], train["minutes"]) == expected
