"""The table of docs/cluster.md is what its rates give, and the arithmetic is that of its limits."""

import json
from dataclasses import replace

import pytest

from benchmarks.simulate_cluster import (
    BEGIN,
    CORPORA,
    DOCUMENT,
    END,
    RATES_MARK,
    Machines,
    Rates,
    section,
    simulate,
    tokenizer_gigabytes,
)

JAVASCRIPT = CORPORA[0]
FAST = Machines(network=1e15, file_system=1e15)
RATES = Rates(merge=1e8, run_share=0.1)


def test_the_document_has_the_table_that_its_rates_give() -> None:
    shown = DOCUMENT.read_text("utf-8").split(BEGIN)[1].split(END)[0]
    rates = Rates(**json.loads(shown.partition(RATES_MARK)[2].partition(" -->")[0]))
    assert shown == section(rates, Machines())


def test_the_requests_to_one_store_take_as_long_on_any_number_of_nodes() -> None:
    for nodes in (8, 64):
        download = simulate(JAVASCRIPT, nodes, RATES, FAST)[0]
        assert download.limit == "S3 requests"
        assert download.hours == pytest.approx(162.4e6 / 5500 / 3600)


def test_a_slow_core_or_a_far_store_limits_a_single_node() -> None:
    slow = simulate(JAVASCRIPT, 1, replace(RATES, fetch=10), FAST)[0]
    assert slow.limit == "cores"
    assert slow.hours == pytest.approx(162.4e6 / 320 / 3600)
    far = simulate(JAVASCRIPT, 1, RATES, replace(FAST, network=1e6))[0]
    assert far.limit == "network"


def test_cores_are_used_until_the_file_system_is_full() -> None:
    alone, together = (simulate(JAVASCRIPT, nodes, RATES, FAST)[1] for nodes in (1, 8))
    assert alone.limit == together.limit == "cores"
    assert alone.hours == pytest.approx(8 * together.hours)
    full = simulate(JAVASCRIPT, 64, RATES, Machines(file_system=1e9))[1]
    assert full.limit == "file system"
    assert full.hours == pytest.approx(2 * JAVASCRIPT.text / 1e9 / 3600)


def test_the_tokenizer_stays_on_one_node_and_grows_slower_than_the_text() -> None:
    assert simulate(JAVASCRIPT, 1, RATES, FAST)[4] == simulate(JAVASCRIPT, 64, RATES, FAST)[4]
    twice = replace(JAVASCRIPT, text=2 * JAVASCRIPT.text)
    grown = tokenizer_gigabytes(twice, RATES) / tokenizer_gigabytes(JAVASCRIPT, RATES)
    assert grown == pytest.approx(2**0.7)
