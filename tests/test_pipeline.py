"""The pipeline as a user runs it: the real `dvc` in a temporary clone, on the tiny presets."""

import json
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import TINY, Clone, make_clone
from tests.test_repository import outputs, stages
from tohum.commands.report.committing import proposal
from tohum.dependencies import code_files

pytestmark = pytest.mark.slow


ALL_STAGES = [
    *("compose", "download", "jsonl", "pretokens", "tokenizer", "encode", "train", "evaluate")
]
EVALUATE = "stages/evaluate"

TOKENIZER_KEY = "from tohum.workdir import work_key; print(work_key('tokenizer', [], []))"


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def test_a_second_repro_does_nothing_and_says_so(trained: Clone) -> None:
    second = trained.run("dvc", "repro")
    assert "Running stage" not in second.stdout
    assert "Data and pipelines are up to date." in second.stdout


def test_a_comment_in_conf_reruns_nothing_after_compose(trained: Clone) -> None:
    edit(trained.root / "conf/tokenizer/default.yaml", "# Byte-level BPE.", "# Byte-level BPE!")
    assert trained.repro() == ["compose"]


def test_a_runtime_value_reruns_nothing_after_compose(trained: Clone) -> None:
    edit(trained.root / "conf/runtime.yaml", "workers: 2", "workers: 3")
    assert trained.repro() == ["compose"]


@pytest.mark.parametrize(
    ("override", "stage"),
    [
        ("jsonl.min_bytes=2", "jsonl"),
        ("pretokenizer=gpt2", "pretokens"),
        ("tokenizer.vocab_size=390", "tokenizer"),
        ("encode.validation_share=0.2", "encode"),
        ("model.rope_theta=5000", "train"),
        ("train.steps=19", "train"),
        ("evaluate.completion_tokens=9", "evaluate"),
    ],
)
def test_an_override_makes_exactly_the_stage_stale_that_reads_it(
    trained: Clone, override: str, stage: str
) -> None:
    trained.override(*TINY, override)
    trained.run(sys.executable, "-m", "stages.compose")
    stale = json.loads(trained.run("dvc", "status", "--json").stdout)
    trained.override(*TINY)
    trained.run(sys.executable, "-m", "stages.compose")
    assert set(stale) == {"compose", stage}


def test_an_override_reruns_what_follows_its_stage_and_back_again_nothing(trained: Clone) -> None:
    before = trained.hashes()
    trained.override(*TINY, "tokenizer.vocab_size=390")
    assert trained.repro() == ["compose", "tokenizer", "encode", "train", "evaluate"]
    trained.override(*TINY)
    assert trained.repro() == ["compose"], "DVC's run cache has the rest"
    assert trained.hashes() == before


def test_a_value_edited_in_conf_reruns_the_stages_it_touches(trained: Clone) -> None:
    edit(trained.root / "conf/train/tiny.yaml", "log_every: 5", "log_every: 4")
    assert trained.repro() == ["compose", "train", "evaluate"]
    edit(trained.root / "conf/train/tiny.yaml", "log_every: 4", "log_every: 5")
    assert trained.repro() == ["compose"], "DVC's run cache has the earlier model"


WORDS = (
    (f"{EVALUATE}/card.py", "A small language model", "A small model of code"),
    (f"{EVALUATE}/attribution.py", "What this model was trained on", "Origins"),
    (f"{EVALUATE}/breakdown.py", '"other"', '"unknown"'),
    (f"{EVALUATE}/examination.py", "bits.sum() / size.sum()", "bits.sum() / len(size)"),
    (f"{EVALUATE}/export.py", '"sdpa"', '"eager"'),
    (f"{EVALUATE}/parsing.py", "TEMPERATURE = 0.8", "TEMPERATURE = 0.7"),
    (f"{EVALUATE}/prompts.py", "# The likeliest", "# Likeliest"),
    ("conf/prompts.txt", "import os", "import sys"),
    ("tohum/decoding.py", '"replace"', '"ignore"'),
)


def test_a_word_of_the_card_a_prompt_or_a_measure_trains_nothing(trained: Clone) -> None:
    for path, before, after in WORDS:
        edit(trained.root / path, before, after)
    stale = json.loads(trained.run("dvc", "status", "--json").stdout)
    for path, before, after in WORDS:
        edit(trained.root / path, after, before)
    assert set(stale) - {"compose"} == {"evaluate"}, "compose reads all of conf"
    (changes,) = (change for change in stale["evaluate"] if "changed deps" in change)
    assert set(changes["changed deps"]) == {EVALUATE, "conf/prompts.txt", "tohum/decoding.py"}
    keeps_the_checkpoints = set(code_files("train", trained.root))
    assert not keeps_the_checkpoints & {trained.root / path for path, _, _ in WORDS}
    of_evaluate = set(code_files("evaluate", trained.root))
    assert {trained.root / path for path, _, _ in WORDS if path.endswith(".py")} <= of_evaluate


def test_an_edit_of_the_card_runs_evaluate_alone(trained: Clone) -> None:
    weights = trained.hashes()["models/weights"]
    edit(trained.root / EVALUATE / "card.py", "A small language model", "A small model of code")
    assert trained.repro() == ["evaluate"]
    assert "A small model of code" in (trained.root / "models/lm/README.md").read_text()
    assert trained.hashes()["models/weights"] == weights
    edit(trained.root / EVALUATE / "card.py", "A small model of code", "A small language model")
    assert trained.repro() == [], "DVC's run cache has the earlier card"


def test_a_new_special_token_reruns_every_stage(trained: Clone) -> None:
    path = trained.root / "tohum/formats/special_tokens.py"
    edit(path, '    "<|end|>",', '    "<|end|>",\n    "<|tool|>",')
    stale = json.loads(trained.run("dvc", "status", "--json").stdout)
    key = trained.run(sys.executable, "-c", TOKENIZER_KEY).stdout
    edit(path, '    "<|end|>",\n    "<|tool|>",', '    "<|end|>",')
    assert set(stale) == set(ALL_STAGES)
    assert key != trained.run(sys.executable, "-c", TOKENIZER_KEY).stdout, "nor are merges reused"


def test_what_an_editor_leaves_beside_the_code_reruns_nothing(trained: Clone) -> None:
    left = [
        trained.root / folder / name
        for folder in ("stages/train", "tohum/formats", "tohum/readers")
        for name in (".DS_Store", ".run.py.swp", "run.py~", "#run.py#", "notes")
    ]
    for path in left:
        path.write_text("x")
    status = trained.run("dvc", "status").stdout
    for path in left:
        path.unlink()
    assert "Data and pipelines are up to date." in status


def test_one_worker_and_two_give_the_same_bytes(trained: Clone, clone: Clone) -> None:
    """Up to encode, after which no stage has workers; that another clone trains the same model is
    the next test's.
    """
    edit(clone.root / "conf/runtime.yaml", "workers: 2", "workers: 1")
    clone.override(*TINY)
    assert clone.repro("encode") == ALL_STAGES[:6]
    lock, expected = clone.lock(), trained.lock()
    for stage in ALL_STAGES[:6]:
        assert lock[stage]["outs"] == expected[stage]["outs"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_stages_killed_at_random_moments_end_in_the_same_bytes(
    trained: Clone, clone: Clone
) -> None:
    edit(clone.root / "conf/runtime.yaml", "checkpoint_seconds: 60", "checkpoint_seconds: 1")
    clone.override(*TINY)
    moments = random.Random(0)
    for stage in ("download", "jsonl", "encode", "train", "evaluate"):
        kill_during(clone, stage, after=moments.uniform(0, 0.5))
    mend(clone)
    clone.repro()
    assert clone.hashes() == trained.hashes()
    assert "models/lm" in clone.hashes()
    left = [path for path in (clone.root / ".work").glob("*/*") if path.is_dir()]
    assert {path.parent.name for path in left} <= {"merges", "numba"}, "what is kept on purpose"


@pytest.mark.parametrize("kept", [0, 8192, 10_000])
def test_a_lock_file_that_was_cut_off_trains_nothing_again(trained: Clone, kept: int) -> None:
    """Even where the committed hash of the model is that of another kind of processor."""
    path = trained.root / "dvc.lock"
    whole, hashes = path.read_text(), trained.hashes()
    other = whole.replace(hashes["models/weights"], f"{'0' * 32}.dir")
    path.write_text(other)
    trained.run("git", "commit", "--quiet", "--all", "--message", "On another processor")
    path.write_text(whole[:kept])
    trained.run(sys.executable, "-m", "tohum.dvc_lock")
    ran = trained.repro()
    told = proposal(trained.root)
    trained.run("git", "commit", "--quiet", "--all", "--message", "A trained model")
    assert set(ran) <= {"compose", "download"}, "those have no cache; download fetches nothing"
    assert trained.hashes() == hashes
    assert "git commit dvc.lock" in told


def mend(clone: Clone) -> None:
    """Deletes what DVC was killed at writing, as `make repro` does."""
    clone.run(sys.executable, "-m", "tohum.dvc_lock")


def test_readers_and_writers_that_were_cut_off_stop_dvc_until_they_are_mended(
    trained: Clone,
) -> None:
    path = trained.root / ".dvc" / "tmp" / "rwlock"
    path.write_text("")
    assert "RWLock" in trained.run("dvc", "repro", check=False).stderr
    mend(trained)
    trained.repro()


def kill_during(clone: Clone, stage: str, after: float) -> None:
    """Runs `dvc repro` and kills it, and it alone, `after` seconds into a stage's work."""
    mend(clone)
    dvc = subprocess.Popen(
        ["dvc", "repro"],
        cwd=clone.root,
        env=clone.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    work = clone.root / ".work" / stage
    while dvc.poll() is None and not work.is_dir() and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(after)
    dvc.send_signal(signal.SIGKILL)
    dvc.wait()
    clone.run(sys.executable, "-m", "tohum.dvc_lock")  # as `make repro` does


def test_an_unknown_key_stops_before_any_stage(clone: Clone) -> None:
    clone.override(*TINY, "tokenizer.vocabsize=300")
    failed = clone.run("dvc", "repro", check=False)
    assert failed.returncode != 0
    assert "unknown key 'tokenizer.vocabsize'. Did you mean 'vocab_size'?" in failed.stderr
    assert not (clone.root / "data").exists()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["source=local", "source.path=nowhere"],
            "source.path is 'nowhere', but there is no folder",
        ),
        (["source.packages=['no-such-package==1.0']"], "'no-such-package' is not installed"),
        (["jsonl.min_bytes=10000000", "jsonl.max_bytes=20000000"], "the corpus is empty"),
    ],
)
def test_bad_input_fails_in_plain_words_and_leaves_no_output(
    trained: Clone, overrides: list[str], message: str
) -> None:
    trained.override(*TINY, *overrides)
    failed = trained.run("dvc", "repro", check=False)
    said = failed.stdout + failed.stderr
    stage = re.findall(r"Running stage '(\w+)'", failed.stdout)[-1]
    left = [
        path
        for path, options in outputs(stages()[stage]).items()
        if (trained.root / path).exists() and not options.get("persist")
    ]
    trained.override(*TINY)
    trained.repro()
    assert failed.returncode != 0
    assert message in said
    assert "Traceback" not in said
    assert not left


def test_metrics_params_and_plots_show_sensible_names(trained: Clone) -> None:
    metrics = trained.run("dvc", "metrics", "show").stdout
    assert "bits_per_byte" in metrics
    assert "metrics/evaluate.json" in metrics
    trained.run("dvc", "plots", "show")
    page = (trained.root / "dvc_plots/index.html").read_text()
    assert "Bits per byte by step" in page
    both = page.partition("Bits per byte on training batches and validation documents")[2]
    assert "train_bits_per_byte" in both and '"field": "bits_per_byte"' in both
    assert not re.search(r"(src|href)=.https?://", page), "the page must not need the internet"


def test_an_experiment_can_override_a_value_and_be_compared(trained: Clone) -> None:
    overrides = ",".join(f'"{override}"' for override in (*TINY, "evaluate.completion_tokens=7"))
    trained.run(
        "dvc", "exp", "run", "--temp", "--name", "shorter", "-S", f"overrides=[{overrides}]"
    )
    shown = trained.run("dvc", "exp", "show", "--csv").stdout
    assert "shorter" in shown
    assert "bits_per_byte" in shown
    assert "evaluate.completion_tokens" in shown
    difference = trained.run("dvc", "params", "diff", "HEAD", "shorter", "--md").stdout
    assert re.search(r"params.lock.yaml \| evaluate.completion_tokens +\| 8 +\| 7", difference)


def test_generate_continues_the_prompt(trained: Clone) -> None:
    command = (
        sys.executable,
        "-m",
        "tohum",
        "generate",
        "prompt=def f(a, b=${c}): ",
        "max_new_tokens=8",
    )
    first = trained.run(*command).stdout
    assert first.startswith("def f(a, b=${c}): ")
    assert len(first) > len("def f(a, b=${c}): ")
    again = trained.run(sys.executable, "-X", "importtime", *command[1:])
    assert again.stdout == first
    assert re.search(r"\| +torch\n", again.stderr)
    assert "transformers" not in again.stderr, "2.5 s of imports that the decoder does not need"


def test_a_friend_pulls_what_was_shared_and_everything_is_up_to_date(
    trained: Clone, tmp_path: Path
) -> None:
    trained.run(sys.executable, "-m", "tohum", "share", "push")
    trained.run("git", "clone", "--quiet", ".", str(tmp_path / "friend"))
    friend = Clone(tmp_path / "friend")
    folder = str(trained.root / ".share")
    friend.run("dvc", "remote", "add", "--local", "--default", "local", folder)
    friend.run(sys.executable, "-m", "tohum", "share", "pull")
    assert "Data and pipelines are up to date." in friend.run("dvc", "repro").stdout
    assert friend.hashes() == trained.hashes()


def test_the_smallest_presets_run_together(clone: Clone) -> None:
    clone.override("source=tiny", "model=tiny", "train=tiny")
    assert clone.repro() == ALL_STAGES
    assert (clone.root / "models/lm/model.safetensors").is_file()


def test_a_corpus_of_two_lines_runs_and_a_failure_leaves_the_model_that_works(clone: Clone) -> None:
    data = clone.root / "qa.jsonl"
    data.write_text('{"soru": "1+1?", "cevap": "2"}\n{"soru": "2+2?", "cevap": "4"}\n')
    presets = ["source=files", "source.paths=[qa.jsonl]", "model=tiny", "train=tiny"]
    clone.override(*presets)
    assert clone.repro() == ALL_STAGES
    model = clone.root / "models/lm/model.safetensors"
    before = model.read_bytes()
    clone.override(*presets, "train.steps=21")
    edit(
        clone.root / "stages/train/__main__.py",
        "    share_processor()\n",
        "    raise SystemExit(1)\n",
    )
    assert clone.run("dvc", "repro", check=False).returncode
    assert model.read_bytes() == before
    data.write_text('{"soru": "1+1?", "cevap": "2"}\n')
    failed = clone.run("dvc", "repro", "--force", check=False)
    assert "the corpus has 1, expected at least 2" in failed.stderr + failed.stdout
    assert model.read_bytes() == before


def test_report_shows_figures_and_reproduction(trained: Clone) -> None:
    trained.override(*TINY)
    trained.repro()
    report = trained.run(sys.executable, "-m", "tohum", "report").stdout
    for expected in (
        "documents",
        "bytes per token",
        "parameters",
        "gzip -9",
        "xz -9e",
        "Completion of",
    ):
        assert expected in report
    for stage in ("train", "evaluate"):
        assert re.search(rf"{stage} +the same bytes", report)


def test_the_default_corpus_gives_the_committed_bytes(tmp_path: Path) -> None:
    """The proof of reproducibility on this machine: the default, up to encode."""
    clone = make_clone(tmp_path / "clone")
    committed = clone.lock()
    clone.repro("encode")
    for stage, now in clone.lock().items():
        assert now["outs"] == committed[stage]["outs"], stage


def test_the_committed_lock_file_is_of_the_committed_code(clone: Clone) -> None:
    """No code dependency and no value has changed since dvc.lock was made."""
    status = json.loads(clone.run("dvc", "status", "--json").stdout)
    stale = {
        f"{stage}: {path}"
        for stage, changes in status.items()
        for change in changes
        if isinstance(change, dict)
        for kind, paths in change.items()
        for path, state in paths.items()
        if kind != "changed outs" and state != "deleted"
    }
    assert not stale, "run `make repro` and commit dvc.lock"


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("+tokenizer.vocab_size=500", "params.yaml has values beside `overrides`"),
        ("params.lock.yaml:tokenizer.vocab_size=500", "params.lock.yaml was edited"),
    ],
)
def test_a_value_that_no_stage_would_read_makes_no_experiment(
    trained: Clone, setting: str, told: str
) -> None:
    failed = trained.run("dvc", "exp", "run", "--temp", "-S", setting, "tokenizer", check=False)
    assert failed.returncode != 0
    assert told in failed.stderr
    assert 'overrides: ["source=tiny"' in failed.stderr
    assert '"tokenizer.vocab_size=500"]' in failed.stderr


def test_an_edited_lock_file_stops_the_pipeline_and_deleting_it_mends_it(trained: Clone) -> None:
    path = trained.root / "params.lock.yaml"
    written = path.read_text()
    edit(path, "  vocab_size: 400", "  vocab_size: 500")
    failed = trained.run("dvc", "repro", check=False)
    path.unlink()
    assert trained.repro() == ["compose"]
    assert "tokenizer.vocab_size=500. Delete params.lock.yaml" in failed.stderr
    assert path.read_text() == written


def test_a_list_of_overrides_that_lost_its_source_is_told(trained: Clone) -> None:
    done = trained.run(
        *("dvc", "exp", "run", "--temp", "-S", 'overrides=["tokenizer.vocab_size=500"]', "compose")
    )
    assert "Lost: source=tiny, " in done.stderr
    assert "`tohum sweep sweep.until=evaluate tokenizer.vocab_size=500` adds to it" in done.stderr
