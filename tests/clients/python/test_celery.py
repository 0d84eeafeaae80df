"""Celery with results in DynamoDB: the backend makes its table, with time to live; tasks, groups and chords leave their
results there."""

import pytest
from celery import Celery, chord, group
from celery.contrib.testing.worker import start_worker

from cluster import REGION

SECONDS_MAX = 20


@pytest.fixture
def app(aws, table_name):
    app = Celery("tests", broker="memory://", backend=f"dynamodb://@{REGION}/{table_name}?read=5&write=5&ttl_seconds=3600")
    app.conf.update(
        result_extended=True,
        task_track_started=True,
        result_compression="gzip",
        broker_transport_options={"polling_interval": 0.02},
    )

    @app.task(name="add", shared=False)
    def add(x, y):
        return x + y

    @app.task(name="total", shared=False)
    def total(numbers):
        return sum(numbers)

    @app.task(name="fail", shared=False)
    def fail():
        raise ValueError("as expected")

    # The table is made before there is a worker: of two threads that make it at a time, one fails.
    assert app.backend.client
    with start_worker(app, pool="solo", perform_ping_check=False, shutdown_timeout=SECONDS_MAX):
        yield app


def test_results_are_kept(app, is_one_node):
    result = app.tasks["add"].delay(2, 3)
    assert result.get(timeout=SECONDS_MAX) == 5
    assert app.AsyncResult(result.id).state in ("STARTED", "SUCCESS")
    failed = app.tasks["fail"].delay()
    with pytest.raises(ValueError, match="as expected"):
        failed.get(timeout=SECONDS_MAX)
    results = group(app.tasks["add"].s(number, number) for number in range(10)).apply_async()
    assert results.get(timeout=SECONDS_MAX) == [2 * number for number in range(10)]
    result.forget()
    # Of a chord the backend reads back at once, and without ConsistentRead, what it has just written: a replica may be behind.
    if is_one_node:
        header = [app.tasks["add"].s(number, 1) for number in range(6)]
        assert chord(header)(app.tasks["total"].s()).get(timeout=SECONDS_MAX) == 21
