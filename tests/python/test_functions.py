"""Functions: boto3's Lambda client against one node and three, with Python functions that call Stator themselves."""

import base64
import hashlib
import io
import itertools
import json
import urllib.error
import urllib.request
import zipfile

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

import cluster as clusters
from cluster import REGION, wait_until

NUMBERS = itertools.count(1)
ROLE = "arn:aws:iam::000000000000:role/any"
ECHO = "def handle(event, context):\n    return event\n"


def zipped(**files):
    """A zip with these files, dots in names for slashes not needed: `app` is `app.py`."""
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(f"{name}.py", text)
    return memory.getvalue()


def lambda_client(cluster, node=0, seconds_max=60):
    return boto3.client(
        "lambda",
        endpoint_url=cluster.nodes[node].endpoint,
        region_name=REGION,
        aws_access_key_id=cluster.access_key,
        aws_secret_access_key=cluster.secret_key,
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=seconds_max),
    )


@pytest.fixture(scope="session")
def functions(cluster):
    return lambda_client(cluster)


@pytest.fixture
def name():
    return f"function-{next(NUMBERS)}"


@pytest.fixture
def make(functions):
    """Makes functions that are deleted at the end."""
    made = []

    def make(name, code=ECHO, **more):
        arguments = {
            "FunctionName": name,
            "Role": ROLE,
            "Runtime": "python3.12",
            "Handler": "app.handle",
            "Code": {"ZipFile": zipped(app=code)},
            "Timeout": 30,
        }
        reply = functions.create_function(**(arguments | more))
        made.append(name)
        functions.get_waiter("function_active_v2").wait(FunctionName=name)
        return reply

    yield make
    for name in made:
        try:
            functions.delete_function(FunctionName=name)
        except functions.exceptions.ResourceNotFoundException:
            pass


def invoke(functions, name, event=None, **more):
    reply = functions.invoke(FunctionName=name, Payload=json.dumps(event), **more)
    return reply, json.loads(reply["Payload"].read() or b"null")


def refused(call, **arguments):
    with pytest.raises(ClientError) as told:
        call(**arguments)
    error = told.value.response
    return error["ResponseMetadata"]["HTTPStatusCode"], error["Error"]["Code"], error["Error"]["Message"]


def test_a_function_is_made_shown_changed_and_deleted(functions, make, name):
    made = make(name, Environment={"Variables": {"COLOUR": "red"}}, Tags={"team": "a"})
    code = zipped(app=ECHO)
    assert made["CodeSize"] == len(code)
    assert made["FunctionArn"] == f"arn:aws:lambda:{REGION}:000000000000:function:{name}"
    assert (made["State"], made["LastUpdateStatus"], made["Version"]) == ("Active", "Successful", "$LATEST")
    assert refused(make, name=name)[:2] == (409, "ResourceConflictException")

    shown = functions.get_function(FunctionName=made["FunctionArn"])
    assert shown["Tags"] == {"team": "a"}
    fetched = urllib.request.urlopen(shown["Code"]["Location"]).read()
    assert base64.b64encode(hashlib.sha256(fetched).digest()).decode() == shown["Configuration"]["CodeSha256"]
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(shown["Code"]["Location"][:-4] + "AAAA")

    changed = functions.update_function_configuration(FunctionName=name, Timeout=20, RevisionId=made["RevisionId"])
    assert (changed["Timeout"], changed["Environment"]) == (20, {"Variables": {"COLOUR": "red"}})
    stale = {"FunctionName": name, "Timeout": 21, "RevisionId": made["RevisionId"]}
    assert refused(functions.update_function_configuration, **stale)[:2] == (412, "PreconditionFailedException")
    assert name in [each["FunctionName"] for page in pages(functions, "list_functions") for each in page["Functions"]]

    functions.delete_function(FunctionName=name)
    status, code, message = refused(functions.get_function, FunctionName=name)
    assert (status, code) == (404, "ResourceNotFoundException")
    assert message == f"Function not found: {made['FunctionArn']}"


def pages(functions, operation, **arguments):
    return functions.get_paginator(operation).paginate(**arguments)


def test_what_is_wrong_is_told_in_lambdas_words(functions, make, name):
    status, code, message = refused(make, name="not a name")
    assert (status, code) == (400, "ValidationException")
    assert "at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern" in message
    invalid = "InvalidParameterValueException"
    for code, words in [
        (b"no zip", "Could not unzip uploaded file. Please check your file, then try to upload again."),
        (evil("../out.py"), "Could not unzip uploaded file. Please check your file, then try to upload again."),
        (bomb(), "Unzipped size must be smaller than 262144000 bytes"),
    ]:
        assert refused(make, name=name, Code={"ZipFile": code}) == (400, invalid, words)
    assert refused(make, name=name, Runtime="java21")[1] == invalid
    assert "S3Bucket" in refused(make, name=name, Code={"S3Bucket": "bucket", "S3Key": "key"})[2]
    assert refused(functions.invoke, FunctionName=name)[:2] == (404, "ResourceNotFoundException")


def evil(path):
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        archive.writestr(path, "")
    return memory.getvalue()


def bomb():
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("zeros", "w") as file:
            for _ in range(251):
                file.write(bytes(1 << 20))
    return memory.getvalue()


def test_a_large_zip_is_stored_in_pieces(functions, make, name):
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("app.py", ECHO)
        archive.writestr("data", hashlib.shake_256(b"any").digest(3 << 20))
    made = make(name, Code={"ZipFile": memory.getvalue()})
    assert made["CodeSize"] == len(memory.getvalue())
    fetched = urllib.request.urlopen(functions.get_function(FunctionName=name)["Code"]["Location"]).read()
    assert fetched == memory.getvalue()


def test_an_invocation_is_answered(functions, make, name):
    make(name)
    reply, answer = invoke(functions, name, {"a": [1, "ü", None]}, LogType="Tail")
    assert answer == {"a": [1, "ü", None]}
    assert (reply["StatusCode"], reply["ExecutedVersion"]) == (200, "$LATEST")
    assert "FunctionError" not in reply
    log = base64.b64decode(reply["LogResult"]).decode()
    request_id = reply["ResponseMetadata"]["RequestId"]
    assert f"START RequestId: {request_id} Version: $LATEST" in log and "REPORT RequestId:" in log
    assert functions.invoke(FunctionName=name, InvocationType="DryRun")["StatusCode"] == 204
    status, code, _ = refused(functions.invoke, FunctionName=name, Payload=b"{")
    assert (status, code) == (400, "InvalidRequestContentException")
    assert refused(functions.invoke, FunctionName=name, Payload=b'"' + bytes(7 << 20) + b'"')[0] == 413


def test_a_function_that_fails_is_told_of(functions, make, name):
    make(name, "def handle(event, context):\n    raise ValueError('no ' + event)\n")
    reply, answer = invoke(functions, name, "luck")
    assert reply["FunctionError"] == "Unhandled"
    assert (answer["errorType"], answer["errorMessage"]) == ("ValueError", "no luck")


def test_a_function_calls_stator_with_credentials_of_its_own(cluster, functions, make, name):
    table = f"table-of-{name}"
    client = cluster.client()
    client.create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "h", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "h", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    client.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    code = (
        "import boto3, os\n"
        "table = boto3.resource('dynamodb').Table(os.environ['TABLE'])\n"
        "def handle(event, context):\n"
        "    table.put_item(Item={'h': event})\n"
        "    return table.get_item(Key={'h': event}, ConsistentRead=True)['Item']\n"
    )
    make(name, code, Environment={"Variables": {"TABLE": table}}, MemorySize=256)
    reply, answer = invoke(functions, name, "k")
    assert answer == {"h": "k"}, answer
    client.delete_table(TableName=table)


def test_versions_stay_and_aliases_move(functions, make, name):
    make(name, "def handle(event, context):\n    return 'one'\n")
    first = functions.publish_version(FunctionName=name)
    assert first["Version"] == "1"
    assert functions.publish_version(FunctionName=name)["Version"] == "1", "nothing has changed"
    code = zipped(app="def handle(event, context):\n    return 'two'\n")
    updated = functions.update_function_code(FunctionName=name, ZipFile=code, Publish=True)
    assert updated["Version"] == "2"
    assert [invoke(functions, name, Qualifier=each)[1] for each in ("1", "2")] == ["one", "two"]
    alias = functions.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    reply, answer = invoke(functions, alias["AliasArn"])
    assert (answer, reply["ExecutedVersion"]) == ("one", "1")
    routing = {"AdditionalVersionWeights": {"2": 1.0}}
    functions.update_alias(FunctionName=name, Name="live", RoutingConfig=routing)
    assert invoke(functions, f"{name}:live")[0]["ExecutedVersion"] == "2"
    assert refused(functions.delete_function, FunctionName=name, Qualifier="1")[1] == "ResourceConflictException"
    functions.delete_alias(FunctionName=name, Name="live")
    functions.delete_function(FunctionName=name, Qualifier="1")
    versions = [each["Version"] for page in pages(functions, "list_versions_by_function", FunctionName=name) for each in page["Versions"]]
    assert versions == ["$LATEST", "2"]
    assert refused(functions.invoke, FunctionName=name, Qualifier="1")[0] == 404


def test_reserved_concurrency_holds(functions, make, name):
    make(name)
    functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    assert functions.get_function(FunctionName=name)["Concurrency"] == {"ReservedConcurrentExecutions": 0}
    with pytest.raises(functions.exceptions.TooManyRequestsException) as told:
        functions.invoke(FunctionName=name)
    assert told.value.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    functions.delete_function_concurrency(FunctionName=name)
    assert invoke(functions, name, 1)[1] == 1
    too_many = {"FunctionName": name, "ReservedConcurrentExecutions": 901}
    assert refused(functions.put_function_concurrency, **too_many)[1] == "InvalidParameterValueException"


def test_what_belongs_to_a_function_is_kept(functions, make, name):
    arn = make(name)["FunctionArn"]
    functions.tag_resource(Resource=arn, Tags={"a": "1", "b": "2"})
    functions.untag_resource(Resource=arn, TagKeys=["a"])
    assert functions.list_tags(Resource=arn)["Tags"] == {"b": "2"}
    functions.add_permission(
        FunctionName=name, StatementId="s", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com"
    )
    policy = json.loads(functions.get_policy(FunctionName=name)["Policy"])
    assert policy["Statement"][0]["Principal"] == {"Service": "s3.amazonaws.com"}
    functions.remove_permission(FunctionName=name, StatementId="s")
    assert refused(functions.get_policy, FunctionName=name)[0] == 404
    functions.put_function_recursion_config(FunctionName=name, RecursiveLoop="Allow")
    assert functions.get_function_recursion_config(FunctionName=name)["RecursiveLoop"] == "Allow"
    assert functions.get_runtime_management_config(FunctionName=name)["UpdateRuntimeOn"] == "Auto"
    functions.get_function_code_signing_config(FunctionName=name)
    assert functions.get_account_settings()["AccountLimit"]["ConcurrentExecutions"] == 1000
    configured = functions.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=1)
    assert configured["FunctionArn"] == f"{arn}:$LATEST" and configured["MaximumRetryAttempts"] == 1
    assert len(functions.list_function_event_invoke_configs(FunctionName=name)["FunctionEventInvokeConfigs"]) == 1
    functions.delete_function_event_invoke_config(FunctionName=name)
    assert refused(functions.get_function_event_invoke_config, FunctionName=name)[0] == 404
    queue = {"OnFailure": {"Destination": f"arn:aws:sqs:{REGION}:000000000000:queue"}}
    told = refused(functions.put_function_event_invoke_config, FunctionName=name, DestinationConfig=queue)
    assert told[1] == "InvalidParameterValueException" and "arn:aws:sqs" in told[2]


def records_table(client, table):
    client.create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    client.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    return f"arn:aws:dynamodb:{REGION}:000000000000:table/{table}"


def test_events_are_worked_on_later_and_their_destinations_told(cluster, functions, make, name):
    client = cluster.client()
    table = f"records-of-{name}"
    arn = records_table(client, table)
    make(name, "def handle(event, context):\n    return 1 / event['by']\n")
    functions.put_function_event_invoke_config(
        FunctionName=name,
        MaximumRetryAttempts=0,
        DestinationConfig={"OnSuccess": {"Destination": arn}, "OnFailure": {"Destination": arn}},
    )
    sent = {}
    for by, padding in ((2, ""), (0, ""), (4, "x" * 700_000)):
        payload = json.dumps({"by": by, "padding": padding})
        reply = functions.invoke(FunctionName=name, InvocationType="Event", Payload=payload)
        assert reply["StatusCode"] == 202
        sent[reply["ResponseMetadata"]["RequestId"]] = by
    told = {}

    def all_are_told():
        for item in client.scan(TableName=table, ConsistentRead=True)["Items"]:
            told[item["id"]["S"]] = json.loads(item["record"]["S"])
        return len(told) == len(sent)

    wait_until(all_are_told, what="records of all events")
    for request, by in sent.items():
        record = told[request]
        assert record["requestContext"]["condition"] == ("Success" if by else "RetriesExhausted")
        assert record["requestContext"]["functionArn"].endswith(f":{name}:$LATEST")
        if by == 0:
            assert record["responseContext"]["functionError"] == "Unhandled"
            assert record["requestPayload"]["by"] == 0
    client.delete_table(TableName=table)


@pytest.fixture
def one_own_node(tmp_path):
    """`stator start`, alone, with retries after a second."""
    cluster = clusters.start(clusters.started_nodes(tmp_path, 1, "--functions-retry-wait", "1"))
    yield cluster
    cluster.kill()


def test_accepted_events_survive_the_death_of_the_node(one_own_node, name):
    cluster = one_own_node
    functions, client = lambda_client(cluster), cluster.client()
    arn = records_table(client, "records")
    functions.create_function(
        FunctionName=name,
        Role=ROLE,
        Runtime="python3.12",
        Handler="app.handle",
        Timeout=30,
        Code={"ZipFile": zipped(app="import time\ndef handle(event, context):\n    time.sleep(1)\n    return event\n")},
    )
    functions.put_function_event_invoke_config(
        FunctionName=name, DestinationConfig={"OnSuccess": {"Destination": arn}}
    )
    sent = set()
    for number in range(5):
        reply = functions.invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps(number))
        sent.add(reply["ResponseMetadata"]["RequestId"])
    cluster.nodes[0].kill()
    cluster.nodes[0].start().wait_ready()

    def told():
        items = client.scan(TableName="records", ConsistentRead=True)["Items"]
        return {item["id"]["S"] for item in items}

    wait_until(lambda: told() == sent, seconds_max=60, what="records of all events")


def test_a_failed_event_is_tried_again(one_own_node, name):
    cluster = one_own_node
    functions, client = lambda_client(cluster), cluster.client()
    arn = records_table(client, "records")
    functions.create_function(
        FunctionName=name,
        Role=ROLE,
        Runtime="python3.12",
        Handler="app.handle",
        Timeout=30,
        Code={"ZipFile": zipped(app="def handle(event, context):\n    raise KeyError(event)\n")},
        DeadLetterConfig={"TargetArn": arn},
    )
    reply = functions.invoke(FunctionName=name, InvocationType="Event", Payload=b'"poison"')
    request = reply["ResponseMetadata"]["RequestId"]

    def letter():
        return client.get_item(TableName="records", Key={"id": {"S": request}}, ConsistentRead=True).get("Item")

    item = wait_until(letter, seconds_max=60, what="a dead letter")
    assert json.loads(item["record"]["S"]) == "poison"
    metrics = urllib.request.urlopen(f"{cluster.nodes[0].endpoint}/metrics").read().decode()
    assert f'stator_functions_errors_total{{function="{name}"}} 3' in metrics, "one try and two retries"


def test_code_is_on_all_nodes(tmp_path, name):
    cluster = clusters.start(clusters.three_nodes(tmp_path))
    try:
        lambda_client(cluster).create_function(
            FunctionName=name,
            Role=ROLE,
            Runtime="python3.12",
            Handler="app.handle",
            Timeout=30,
            Code={"ZipFile": zipped(app=ECHO)},
        )
        assert invoke(lambda_client(cluster, node=1), name, 1)[1] == 1
        cluster.nodes[0].kill()

        def answered():
            try:
                return invoke(lambda_client(cluster, node=2), name, {"a": 2})[1] == {"a": 2}
            except ClientError:
                return False

        wait_until(answered, seconds_max=60, what="an answer of another node")
        reply = lambda_client(cluster, node=1).get_function(FunctionName=name)
        assert urllib.request.urlopen(reply["Code"]["Location"]).status == 200
    finally:
        cluster.kill()
