"""Logs of functions: boto3's `logs` client, the AWS CLI and `stator logs`, on one node and three."""

import itertools
import json
import os
import subprocess
import sys
import time

import boto3
import pytest
from botocore.config import Config
from botocore.session import Session

import cluster as clusters
from cluster import REGION, binary, wait_until
from test_cli import AWS
from test_compatibility_page import PAGE
from test_functions import ROLE, invoke, lambda_client, refused, zipped

NUMBERS = itertools.count(1)
# Prints what it is told to.
PRINTING = """
def handle(event, context):
    for line in event["lines"]:
        print(line)
    return context.log_stream_name
"""
CHATTY = "def handle(event, context):\n    for number in range(event):\n        print(f'line {number:06}')\n"


def logs_client(cluster, node=0):
    return boto3.client(
        "logs", endpoint_url=cluster.nodes[node].endpoint, region_name=REGION,
        aws_access_key_id=cluster.access_key, aws_secret_access_key=cluster.secret_key,
        config=Config(retries={"total_max_attempts": 3, "mode": "standard"}, connect_timeout=2, read_timeout=20))


@pytest.fixture(scope="session")
def functions(cluster):
    return lambda_client(cluster)


@pytest.fixture(scope="session")
def logs(cluster):
    """Of three nodes the last; functions run on the first."""
    return logs_client(cluster, node=-1)


def create(functions, name, code=PRINTING, **more):
    functions.create_function(
        FunctionName=name, Runtime=f"python3.{sys.version_info.minor}", Handler="app.handle", Role=ROLE,
        Code={"ZipFile": zipped(app=code)}, Timeout=60, **more)
    functions.get_waiter("function_active_v2").wait(FunctionName=name)


@pytest.fixture
def function(functions):
    name = f"printing-{next(NUMBERS)}"
    create(functions, name)
    yield name
    functions.delete_function(FunctionName=name)


def prints(functions, function, *lines):
    """Has the function print; returns its stream."""
    reply, stream = invoke(functions, function, {"lines": lines})
    assert "FunctionError" not in reply, stream
    return stream


def group(function):
    return f"/aws/lambda/{function}"


def messages(logs, function, **more):
    """Everything that is let through, over all pages."""
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group(function), **more)
    try:
        return [event["message"] for page in pages for event in page["events"]]
    except logs.exceptions.ResourceNotFoundException:
        return []


def printed(logs, function, **more):
    """The same without what frames invocations."""
    framing = ("START ", "END ", "REPORT ", "INIT_")
    return [text.rstrip("\n") for text in messages(logs, function, **more) if not text.startswith(framing)]


def test_what_a_function_prints_is_kept(functions, logs, function):
    before_ms = int(time.time() * 1000)
    stream = prints(functions, function, "hello", "wörld")
    wait_until(lambda: any(text.startswith("REPORT ") for text in messages(logs, function)), 20)
    told = messages(logs, function)
    assert [text.split()[0] for text in told] == ["START", "hello", "wörld", "END", "REPORT"]
    assert all(text.endswith("\n") for text in told)

    [found] = logs.describe_log_groups(logGroupNamePrefix=group(function))["logGroups"]
    assert found["arn"] == f"arn:aws:logs:{REGION}:000000000000:log-group:{group(function)}:*"
    assert found["retentionInDays"] == 14 and found["creationTime"] >= before_ms
    [described] = logs.describe_log_streams(logGroupName=group(function))["logStreams"]
    assert described["logStreamName"] == stream and stream.split("]")[0].endswith("[$LATEST")
    assert before_ms <= described["firstEventTimestamp"] <= described["lastEventTimestamp"]

    events = logs.filter_log_events(logGroupIdentifier=found["logGroupArn"])["events"]
    assert all(event["logStreamName"] == stream for event in events)
    assert all(before_ms <= event["timestamp"] <= event["ingestionTime"] for event in events)
    assert len({event["eventId"] for event in events}) == len(events)


def test_a_stream_is_read_from_both_ends(functions, logs, function):
    stream = prints(functions, function, *"abcdefg")
    wait_until(lambda: len(messages(logs, function)) == 10, 20)
    ask = {"logGroupName": group(function), "logStreamName": stream}
    texts = lambda page: [event["message"].strip() for event in page["events"]]  # noqa: E731

    page = logs.get_log_events(**ask, startFromHead=True, limit=3)
    assert texts(page)[1:] == ["a", "b"]
    assert logs.get_log_events(**ask, nextToken=page["nextBackwardToken"])["events"] == []
    page = logs.get_log_events(**ask, nextToken=page["nextForwardToken"], limit=3, startFromHead=True)
    assert texts(page) == ["c", "d", "e"]
    back = logs.get_log_events(**ask, nextToken=page["nextBackwardToken"], limit=1)
    assert texts(back) == ["b"]
    page = logs.get_log_events(**ask, nextToken=page["nextForwardToken"], startFromHead=True)
    assert texts(page)[:2] == ["f", "g"] and len(page["events"]) == 4
    end = logs.get_log_events(**ask, nextToken=page["nextForwardToken"], startFromHead=True)
    assert end["events"] == [] and end["nextForwardToken"] == page["nextForwardToken"]
    last = logs.get_log_events(**ask, limit=2)
    assert [text.split()[0] for text in texts(last)] == ["END", "REPORT"], "the latest, in their order"
    assert texts(logs.get_log_events(**ask, nextToken=last["nextBackwardToken"], limit=2)) == ["f", "g"]
    assert refused(logs.get_log_events, **ask, nextToken="f/x")[1] == "InvalidParameterException"
    missing = ask | {"logStreamName": "missing"}
    assert refused(logs.get_log_events, **missing)[1:] == (
        "ResourceNotFoundException", "The specified log stream does not exist.")


def test_filters_let_through_what_they_name(functions, logs, function):
    json_lines = [json.dumps({"level": level, "code": code}) for level, code in [("info", 200), ("error", 404), ("error", 500)]]
    prints(functions, function, "ERROR one", "WARN two", "INFO three", "ERROR four fine", *json_lines)
    wait_until(lambda: len(messages(logs, function)) == 10, 20)
    for pattern, expected in [
        ("ERROR", ["ERROR one", "ERROR four fine"]),
        ("ERROR -fine", ["ERROR one"]),
        ("?WARN ?INFO", ["WARN two", "INFO three"]),
        ('"ERROR four"', ["ERROR four fine"]),
        ("{ $.code >= 404 && $.level = err* }", json_lines[1:]),
        ('{ $.level = "info" || $.code = 500 }', [json_lines[0], json_lines[2]]),
    ]:
        assert printed(logs, function, filterPattern=pattern) == expected, pattern
    first, second = logs.filter_log_events(logGroupName=group(function), filterPattern="ERROR", limit=1), None
    assert [event["message"] for event in first["events"]] == ["ERROR one\n"]
    second = logs.filter_log_events(logGroupName=group(function), filterPattern="ERROR", nextToken=first["nextToken"])
    assert [event["message"] for event in second["events"]] == ["ERROR four fine\n"]
    end = second["events"][-1]["timestamp"]
    assert messages(logs, function, startTime=end + 60_000) == []
    assert printed(logs, function, endTime=end)[0] == "ERROR one"
    for pattern, words in [("[a, b]", "space-delimited fields"), ("%x%", "regular expressions"), ("{ $.a }", "Invalid filter pattern")]:
        _, code, text = refused(logs.filter_log_events, logGroupName=group(function), filterPattern=pattern)
        assert code == "InvalidParameterException" and words in text


def test_many_lines_of_many_instances_are_told_once_and_in_order(functions, logs):
    name = f"chatty-{next(NUMBERS)}"
    create(functions, name, CHATTY)
    try:
        count = 3_000
        for _ in range(2):
            invoke(functions, name, count)
        # Other configuration, other instances.
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": {"COLOUR": "b"}})
        invoke(functions, name, count)
        wait_until(lambda: len(printed(logs, name)) >= 3 * count, 60)
        pages = list(logs.get_paginator("filter_log_events").paginate(logGroupName=group(name), PaginationConfig={"PageSize": 1_000}))
        events = [event for page in pages for event in page["events"] if event["message"].startswith("line ")]
        assert len(events) == 3 * count and len({event["eventId"] for event in events}) == len(events)
        assert [event["timestamp"] for event in events] == sorted(event["timestamp"] for event in events)
        streams = {event["logStreamName"] for event in events}
        assert len(streams) == 2
        listed = logs.describe_log_streams(logGroupName=group(name), orderBy="LastEventTime", descending=True)["logStreams"]
        assert {stream["logStreamName"] for stream in listed} == streams
        for stream in streams:
            own = [event["message"] for event in events if event["logStreamName"] == stream]
            assert own == [f"line {number:06}\n" for number in range(count)] * (len(own) // count)
        only = sorted(streams)[0]
        assert {event["logStreamName"] for event in logs.filter_log_events(logGroupName=group(name), logStreamNames=[only])["events"]} == {only}
    finally:
        functions.delete_function(FunctionName=name)


def test_groups_are_made_kept_and_deleted(functions, logs, function):
    name = f"/own/group-{next(NUMBERS)}"
    logs.create_log_group(logGroupName=name)
    assert refused(logs.create_log_group, logGroupName=name)[1:] == (
        "ResourceAlreadyExistsException", "The specified log group already exists")
    shown = lambda: logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"][0]  # noqa: E731
    assert "retentionInDays" not in shown()
    logs.put_retention_policy(logGroupName=name, retentionInDays=30)
    assert shown()["retentionInDays"] == 30
    assert refused(logs.put_retention_policy, logGroupName=name, retentionInDays=15)[1] == "InvalidParameterException"
    logs.delete_retention_policy(logGroupName=name)
    assert "retentionInDays" not in shown()
    for number in range(3):
        logs.create_log_group(logGroupName=f"{name}/{number}")
    pages = logs.get_paginator("describe_log_groups").paginate(logGroupNamePattern=name[1:], PaginationConfig={"PageSize": 2})
    assert [found["logGroupName"] for page in pages for found in page["logGroups"]] == [
        name, *(f"{name}/{number}" for number in range(3))]
    for found in [name, *(f"{name}/{number}" for number in range(3))]:
        logs.delete_log_group(logGroupName=found)
    missing = (400, "ResourceNotFoundException", "The specified log group does not exist.")
    assert refused(logs.delete_log_group, logGroupName=name) == missing
    assert refused(logs.filter_log_events, logGroupName=name) == missing

    stream = prints(functions, function, "one")
    wait_until(lambda: printed(logs, function) == ["one"], 20)
    logs.delete_log_stream(logGroupName=group(function), logStreamName=stream)
    assert messages(logs, function) == []
    logs.delete_log_group(logGroupName=group(function))
    logs.create_log_group(logGroupName=group(function))
    assert messages(logs, function) == [], "another group of the same name"


def test_what_is_not_there_is_refused(cluster, logs, functions, function):
    assert refused(logs.create_log_group, logGroupName="a b")[1] == "InvalidParameterException"
    assert "kmsKeyId" in refused(logs.create_log_group, logGroupName="a", kmsKeyId="k")[2]
    assert refused(logs.describe_metric_filters)[1] == "UnknownOperationException"
    assert "DELIVERY" in refused(logs.create_log_group, logGroupName="a", logGroupClass="DELIVERY")[2]
    wrong = boto3.client(
        "logs", endpoint_url=cluster.nodes[0].endpoint, region_name=REGION, aws_access_key_id="AKIANOBODY", aws_secret_access_key="no")
    if len(cluster.nodes) > 1:
        assert refused(wrong.describe_log_groups)[1] == "UnrecognizedClientException"


def test_the_aws_cli_reads(cluster, functions, logs, function):
    prints(functions, function, "to the CLI")
    wait_until(lambda: printed(logs, function) == ["to the CLI"], 20)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | {
        "AWS_ACCESS_KEY_ID": cluster.access_key, "AWS_SECRET_ACCESS_KEY": cluster.secret_key, "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": cluster.nodes[0].endpoint, "AWS_CONFIG_FILE": os.devnull, "AWS_PAGER": ""}
    command = [AWS, "logs", "filter-log-events", "--log-group-name", group(function), "--filter-pattern", "CLI", "--output", "json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 0, done.stderr
    assert [event["message"] for event in json.loads(done.stdout)["events"]] == ["to the CLI\n"]


@pytest.fixture(scope="module")
def durable(tmp_path_factory):
    """Three nodes that a test may kill."""
    cluster = clusters.start(clusters.three_nodes(tmp_path_factory.mktemp("durable-logs")))
    yield cluster
    cluster.kill()


def test_lines_outlive_the_node_that_ran_the_function(durable):
    functions, logs = lambda_client(durable, node=2), logs_client(durable, node=1)
    create(functions, "outlived")
    prints(functions, "outlived", "before it died")
    wait_until(lambda: printed(logs, "outlived") == ["before it died"], 20)
    follow = subprocess.Popen(
        [binary(), "logs", "outlived", "--follow", "--filter", "died", "--data", str(durable.nodes[0].data)],
        stdout=subprocess.PIPE, text=True)
    try:
        assert follow.stdout.readline().rstrip().endswith("Z before it died")
        durable.nodes[2].kill()
        wait_until(lambda: printed(logs, "outlived") == ["before it died"], 30)
        wait_until(lambda: prints(lambda_client(durable, node=0), "outlived", "after it died"), 30)
        assert follow.stdout.readline().rstrip().endswith("Z after it died")
    finally:
        follow.terminate()
        follow.wait(10)
    shown = subprocess.run(
        [binary(), "logs", "outlived", "--since", "1h", "--data", str(durable.nodes[1].data)],
        capture_output=True, text=True, timeout=30)
    assert [line.split(" ", 1)[1] for line in shown.stdout.splitlines() if " died" in line][:2] == ["before it died", "after it died"]
    missing = subprocess.run(
        [binary(), "logs", "no-such", "--data", str(durable.nodes[1].data)], capture_output=True, text=True, timeout=30)
    assert missing.returncode != 0 and "there is no function no-such" in missing.stderr


def test_every_parameter_of_what_is_there_is_on_the_page():
    section = PAGE.read_text().split("\n## CloudWatch Logs\n")[1].split("\n## ")[0]
    service = Session().get_service_model("logs")
    told = {}
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 5 and cells[1].startswith("`"):
            told.setdefault(cells[1].strip("`"), set()).add(cells[2].strip("`"))
    assert len(told) == 9
    for operation, parameters in told.items():
        assert parameters == set(service.operation_model(operation).input_shape.members), operation
