from pathlib import Path

import pytest

from tests.conftest import Clone
from tohum.commands.sweep.plan import Plan, make_plan
from tohum.errors import UserError


@pytest.fixture(autouse=True)
def root(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(clone.root)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return clone.root


def plan(*arguments: str) -> Plan:
    return make_plan([each for each in arguments if each != "-m"], "-m" in arguments)


def test_an_unknown_key_is_refused_and_named() -> None:
    with pytest.raises(UserError, match=r"unknown key 'tokenizer.vocabsize'. Did you mean"):
        plan("-m", "tokenizer.vocabsize=300,400")


def test_a_grid_of_bad_values_is_refused() -> None:
    with pytest.raises(UserError, match=r"tokenizer.vocab_size is 10, expected at least"):
        plan("-m", "tokenizer.vocab_size=10,11")


def test_a_bad_value_among_good_ones_is_told_before_any_point_runs() -> None:
    made = plan("-m", "tokenizer.vocab_size=10,400", "tokenizer.min_frequency=2,4")
    assert [line.partition(":")[0] for line in made.refused] == [
        "tokenizer.vocab_size=10 tokenizer.min_frequency=2",
        "tokenizer.vocab_size=10 tokenizer.min_frequency=4",
    ]


def test_several_values_need_the_flag() -> None:
    with pytest.raises(UserError, match="add -m"):
        plan("tokenizer.vocab_size=300,400")


def test_until_is_one_of_two_stages() -> None:
    assert plan("-m", "sweep.until=evaluate", "train.seed=1,2").until == "evaluate"
    with pytest.raises(UserError, match=r"sweep.until is 'encode', allowed: tokenizer, evaluate"):
        plan("sweep.until=encode")
    with pytest.raises(UserError, match=r"sweep.until has several values"):
        plan("-m", "sweep.until=tokenizer,evaluate")
    with pytest.raises(UserError, match=r"unknown key 'sweep.untill'"):
        plan("sweep.untill=evaluate")


def test_the_overrides_of_params_yaml_hold_unless_swept(clone: Clone) -> None:
    clone.override("source=tiny", "tokenizer.vocab_size=300")
    made = plan("-m", "tokenizer.vocab_size=400,500", "tokenizer.min_frequency=3")
    assert made.fixed == ("source=tiny", "tokenizer.min_frequency=3")
    assert made.hydra[:3] == ("--multirun", "source=tiny", "tokenizer.vocab_size=400,500")


def test_two_points_run_at_once_unless_each_trains_or_a_launcher_is_asked_for() -> None:
    sweep = ("-m", "tokenizer.vocab_size=400,500")
    assert plan(*sweep).hydra[-2:] == ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    assert plan(*sweep, "sweep.jobs=5").hydra[-1] == "hydra.launcher.n_jobs=5"
    for asked in ("sweep.until=evaluate", "sweep.jobs=1", "hydra/launcher=basic"):
        assert "hydra/launcher=joblib" not in plan(*sweep, asked).hydra


def test_the_corner_has_the_longest_list_of_merges() -> None:
    assert plan("-m", "tokenizer.vocab_size=400,10,500", "tokenizer.min_frequency=8,2").corner == {
        "tokenizer.vocab_size": "500",
        "tokenizer.min_frequency": "2",
    }


@pytest.mark.parametrize(
    ("until", "direction"), [("tokenizer", "maximize"), ("evaluate", "minimize")]
)
def test_optuna_is_told_which_way_is_better(until: str, direction: str) -> None:
    arguments = ["-m", "hydra/sweeper=optuna", f"sweep.until={until}"]
    swept = "tokenizer.vocab_size=range(300,400)"
    assert f"hydra.sweeper.direction={direction}" in plan(*arguments, swept).hydra
    assert "hydra.sweeper.sampler.seed=0" in plan(*arguments, swept).hydra
    with pytest.raises(UserError, match="is found with"):
        wrong = {"maximize": "minimize", "minimize": "maximize"}[direction]
        plan(*arguments, f"hydra.sweeper.direction={wrong}", swept)


def test_both_ends_of_an_interval_are_checked() -> None:
    made = plan("-m", "hydra/sweeper=optuna", "train.learning_rate=interval(0.001,11)")
    assert "train.learning_rate is 11.0, expected at most 10" in made.refused[0]


EVALUATE = ("-m", "sweep.until=evaluate", "tokenizer.vocab_size=300,400")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("-m", "tokenizer.vocab_size=300,400", "sweep.seeds=3"), "sweep.seeds compares trained"),
        (("-m", "tokenizer.vocab_size=300,400", "sweep.bytes=9"), "add sweep.until=evaluate"),
        (
            ("-m", "train.seed=1,2", "sweep.objective=identifier"),
            "sweep.objective compares trained",
        ),
        ((*EVALUATE, "sweep.bytes=9", "sweep.minutes=1"), "leave one out"),
        ((*EVALUATE, "sweep.bytes=9", "train.steps=3,4"), "sweep.bytes sets train.steps"),
        ((*EVALUATE, "sweep.minutes=9", "train.minutes=3"), "sweep.minutes sets train.minutes"),
        ((*EVALUATE, "sweep.seeds=2", "train.seed=3"), "sweep.seeds sets train.seed"),
        ((*EVALUATE, "sweep.seeds=0"), "sweep.seeds is 0, expected at least 1"),
        ((*EVALUATE, "sweep.bytes=-1"), "sweep.bytes is -1, expected at least 1"),
    ],
)
def test_budgets_and_seeds_that_contradict_the_rest_are_refused(
    arguments: tuple[str, ...], told: str
) -> None:
    with pytest.raises(UserError, match=told):
        plan(*arguments)


def test_equal_minutes_take_the_place_of_the_steps(clone: Clone) -> None:
    clone.override("train=tiny", "train.steps=7")
    made = plan(*EVALUATE, "sweep.minutes=0.5")
    assert made.fixed == ("train=tiny", "train.steps=null", "train.minutes=0.5")


def test_a_grid_beyond_what_can_be_checked_is_refused() -> None:
    with pytest.raises(UserError, match="the grid has 10,000 points, expected at most 1,000"):
        plan("-m", "tokenizer.vocab_size=range(300,400)", "train.seed=range(0,100)")


def test_a_path_in_params_yaml_that_can_not_be_read_is_told_corrected(clone: Clone) -> None:
    clone.override("source=local", "source.path=/home/ben/ödev")
    with pytest.raises(UserError, match=r"(?s)params.yaml has an.*- source.path='/home/ben/ödev'"):
        plan("-m", "tokenizer.vocab_size=300,400")


def test_a_dictionary_and_a_plus_reach_hydra_so_that_it_takes_them() -> None:
    swept = plan("-m", "jsonl.fields={user:a},{user:b}", "+tokenizer.vocab_size=300").hydra
    assert "++jsonl.fields={user:a},{user:b}" in swept


def test_a_project_without_a_commit_is_told_to_make_one(root: Path, clone: Clone) -> None:
    clone.run("git", "update-ref", "-d", "HEAD")
    with pytest.raises(UserError, match="Commit the project first"):
        plan("tokenizer.vocab_size=300")


SOURCES = "source=[packages,qa:files]"


@pytest.mark.parametrize("given", ["params.yaml", "the command line"])
def test_a_list_of_sources_is_read_here_and_not_by_hydra(clone: Clone, given: str) -> None:
    (clone.root / "qa.csv").write_text("question,answer\na,b\n")
    paths = "source.qa.paths=[qa.csv]"
    clone.override(*([SOURCES, paths] if given == "params.yaml" else []))
    more = [] if given == "params.yaml" else [SOURCES, paths]
    made = plan("-m", "tokenizer.vocab_size=300,400", "jsonl.sources.qa.weight=1,2", *more)
    assert not made.refused
    assert SOURCES in made.fixed and SOURCES not in made.hydra
    assert "++jsonl.sources.qa.weight=1,2" in made.hydra
    single = plan("tokenizer.vocab_size=300", *more)
    assert SOURCES in single.fixed and SOURCES not in single.hydra


def test_a_preset_that_git_does_not_track_is_refused(clone: Clone) -> None:
    mine = clone.root / "conf" / "model" / "mine.yaml"
    mine.write_text("defaults: [tiny]\n")
    (mine.parent / ".mine.yaml.swp").write_text("left by an editor")
    with pytest.raises(UserError, match=r"git does not track conf/model/mine\.yaml, so the points"):
        plan("-m", "sweep.until=evaluate", "model=mine,tiny")
    clone.run("git", "add", "conf/model/mine.yaml")
    assert not plan("-m", "sweep.until=evaluate", "model=mine,tiny").refused


def test_another_corpus_in_dvc_lock_makes_other_points(clone: Clone) -> None:
    """The user's own files may have changed, and the configuration does not say so."""
    lock = clone.root / "dvc.lock"
    before = plan("-m", "tokenizer.vocab_size=300,400").corpus
    assert list(before) == ["data/raw"]
    lock.write_text(lock.read_text().replace(before["data/raw"], "0" * 32 + ".dir"))
    assert plan("-m", "tokenizer.vocab_size=300,400").corpus == {"data/raw": "0" * 32 + ".dir"}
    lock.unlink()
    assert plan("-m", "tokenizer.vocab_size=300,400").corpus == {}
