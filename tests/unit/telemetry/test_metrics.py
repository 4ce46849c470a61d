from broker.telemetry.metrics import Metrics
from schemas.problem import Code


def figures(metrics: Metrics) -> dict[str, float]:
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
    assert found['setu_request_seconds_bucket{le="0.005",route="/v1/packets"}'] == 1
    assert found['setu_request_seconds_count{route="/v1/packets"}'] == 2
    assert found['setu_open_reads{route="stream"}'] == 1
    assert figures(metrics)['setu_open_reads{route="stream"}'] == 0


def test_the_queue_is_asked_when_the_figures_are_read() -> None:
    metrics, queue = Metrics(), [1, 2, 3]
    metrics.watch_queue(lambda: len(queue))
    assert figures(metrics)["setu_queue"] == 3
    queue.clear()
    assert figures(metrics)["setu_queue"] == 0


def test_two_gateways_in_one_process_do_not_share_figures() -> None:
    one, two = Metrics(), Metrics()
    one.accepted(fresh=True)
    assert figures(two)['setu_accepted_total{repeat="no"}'] == 0
