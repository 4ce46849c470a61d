import math
from typing import get_args

from broker.telemetry.metrics import HELP, Figures, GuardFigures, Metrics, Watched
from schemas.problem import Code


def figures(metrics: Figures) -> dict[str, float]:
    lines = [line for line in metrics.render().decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_every_code_is_there_from_the_start_so_that_an_alarm_can_be_set_on_it() -> None:
    found = figures(Metrics())
    assert all(found[f'setu_refused_total{{code="{code}"}}'] == 0 for code in Code)


def test_accepted_refused_answered_and_open() -> None:
    metrics = Metrics()
    metrics.accepted(fresh=True)
    metrics.accepted(fresh=True)
    metrics.accepted(fresh=False)
    metrics.answered("/v1/packets", 201, None, 0.004)
    metrics.answered("/v1/packets", 403, Code.POLICY_DENIED, 0.2)
    with metrics.opened("stream"):
        found = figures(metrics)
    assert found['setu_accepted_total{repeat="no"}'] == 2
    assert found['setu_accepted_total{repeat="yes"}'] == 1
    assert found['setu_requests_total{route="/v1/packets",status="201"}'] == 1
    assert found['setu_refused_total{code="policy-denied"}'] == 1
    assert found['setu_request_duration_seconds_bucket{le="0.005",route="/v1/packets"}'] == 1
    assert found['setu_request_duration_seconds_count{route="/v1/packets"}'] == 2
    assert found['setu_open_reads{route="stream"}'] == 1
    assert figures(metrics)['setu_open_reads{route="stream"}'] == 0


def test_a_watched_figure_is_asked_for_when_the_page_is_read_and_is_not_there_before() -> None:
    metrics, queue = Metrics(), [1, 2, 3]
    assert "setu_queue_entries" not in figures(metrics)
    metrics.watch("setu_queue_entries", lambda: len(queue))
    assert figures(metrics)["setu_queue_entries"] == 3
    queue.clear()
    assert figures(metrics)["setu_queue_entries"] == 0


def test_batches_and_the_guard() -> None:
    metrics = Metrics()
    metrics.committed(1)
    metrics.committed(64)
    metrics.guarded(0.003, kept=True)
    assert figures(metrics)["setu_guard_trouble"] == 0
    metrics.guarded(2.0, kept=False)
    found = figures(metrics)
    assert (found["setu_batch_entries_count"], found["setu_batch_entries_sum"]) == (2, 65)
    assert found['setu_batch_entries_bucket{le="32.0"}'] == 1
    assert (found["setu_guard_write_seconds_count"], found["setu_guard_failures_total"]) == (1, 1)
    assert found["setu_guard_trouble"] == 1
    metrics.guarded(0.003, kept=True)
    assert figures(metrics)["setu_guard_trouble"] == 0


def test_the_lag_of_each_topic() -> None:
    metrics = Metrics()
    lag = {"setu.us-dea.tip": 3.0, "setu.us-cbp.tip": 0.0}
    metrics.watch_topics(lambda: lag)
    assert figures(metrics)['setu_relay_lag_entries{topic="setu.us-dea.tip"}'] == 3
    del lag["setu.us-dea.tip"]
    assert [name for name in figures(metrics) if "lag" in name] == ['setu_relay_lag_entries{topic="setu.us-cbp.tip"}']


def test_every_figure_that_is_watched_says_what_it_is() -> None:
    page = Figures()
    for name in get_args(Watched):
        page.watch(name, lambda: math.nan)
    helped = {line.split()[2] for line in page.render().decode().splitlines() if line.startswith("# HELP")}
    assert set(get_args(Watched)) == set(HELP) <= helped


def test_two_gateways_in_one_process_do_not_share_figures() -> None:
    one, two = Metrics(), Metrics()
    one.accepted(fresh=True)
    assert figures(two)['setu_accepted_total{repeat="no"}'] == 0


def test_until_when_each_deny_list_is_good() -> None:
    made = Metrics()
    made.watch_deny_lists(lambda: {"USA": 7.0, "IND": 0.0})
    found = figures(made)
    assert found['setu_deny_list_expiry_timestamp_seconds{list="IND"}'] == 0
    assert found['setu_deny_list_expiry_timestamp_seconds{list="USA"}'] == 7


def test_what_a_shared_guard_answered() -> None:
    guard = GuardFigures()
    guard.answered(409)
    found = figures(guard)
    assert (found['setu_guard_answers_total{status="409"}'], found['setu_guard_answers_total{status="200"}']) == (1, 0)
