"""python-dynamodb-lock: leases that are renewed, waited for, taken over when their owner is silent, and released. The table is
one that it makes itself, with time to live."""

import threading
from datetime import timedelta

import boto3
import pytest
from python_dynamodb_lock.python_dynamodb_lock import DynamoDBLockClient, DynamoDBLockError


def milliseconds(count):
    return timedelta(milliseconds=count)


@pytest.fixture
def owner(aws, table_name):
    """Makes a client that owns locks."""
    clients = []
    resource = boto3.resource("dynamodb")
    DynamoDBLockClient.create_dynamodb_table(boto3.client("dynamodb"), table_name=table_name)

    def make(name):
        client = DynamoDBLockClient(
            resource,
            table_name=table_name,
            owner_name=name,
            heartbeat_period=milliseconds(200),
            safe_period=milliseconds(5000),
            lease_duration=milliseconds(6000),
        )
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close(release_locks=True)


def test_a_lock_is_held_by_one_at_a_time(owner):
    ann, bob = owner("ann"), owner("bob")
    lock = ann.acquire_lock("door", additional_attributes={"why": "cleaning"})
    with pytest.raises(DynamoDBLockError) as error:
        bob.acquire_lock("door", retry_period=milliseconds(50), retry_timeout=milliseconds(200))
    assert error.value.code == DynamoDBLockError.ACQUIRE_TIMEOUT
    # It is renewed while it is held.
    before = lock.record_version_number
    renewed = threading.Event()
    while lock.record_version_number == before and not renewed.wait(0.05):
        pass
    lock.release()
    with bob.acquire_lock("door", retry_period=milliseconds(50), retry_timeout=milliseconds(5000)) as taken:
        assert taken.owner_name == "bob"


def test_counting_under_a_lock_loses_nothing(owner):
    counted = []

    def count(name):
        client = owner(name)
        for _ in range(5):
            with client.acquire_lock("counter", retry_period=milliseconds(5), retry_timeout=milliseconds(20000)):
                number = len(counted)
                counted.append(number)

    threads = [threading.Thread(target=count, args=(f"t{number}",)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert counted == list(range(15))
