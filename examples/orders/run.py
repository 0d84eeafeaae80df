"""A table of orders, a function that runs when one comes in, and a table of totals, on a node of Stator.

    make run                      # in another terminal
    python examples/orders/run.py [http://127.0.0.1:8000]

Needs boto3. Everything that it makes is removed in the end.
"""

import io
import os
import pathlib
import random
import sys
import time
import uuid
import zipfile

import boto3

HERE = pathlib.Path(__file__).parent
ENDPOINT = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"
ROLE = "arn:aws:iam::000000000000:role/any"
RUN = uuid.uuid4().hex[:8]
ORDERS, TOTALS, FUNCTION = f"orders-{RUN}", f"totals-{RUN}", f"totals-{RUN}"


# A node for development takes any credentials.
os.environ.setdefault("AWS_ACCESS_KEY_ID", "any")
os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "any")


def client(service):
    return boto3.client(service, endpoint_url=ENDPOINT, region_name="us-east-1")


def make_tables(database):
    for name, key, stream in ((ORDERS, "id", True), (TOTALS, "customer", False)):
        specification = {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"} if stream else {"StreamEnabled": False}
        database.create_table(
            TableName=name, BillingMode="PAY_PER_REQUEST", StreamSpecification=specification,
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
            KeySchema=[{"AttributeName": key, "KeyType": "HASH"}])
        database.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})


def make_function(functions, stream):
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.write(HERE / "totals.py", "totals.py")
    functions.create_function(
        FunctionName=FUNCTION, Runtime=f"python3.{sys.version_info.minor}", Handler="totals.handler", Role=ROLE,
        Code={"ZipFile": package.getvalue()}, Timeout=30, MemorySize=256, Environment={"Variables": {"TOTALS": TOTALS}})
    functions.get_waiter("function_active_v2").wait(FunctionName=FUNCTION, WaiterConfig={"Delay": 1})
    return functions.create_event_source_mapping(
        FunctionName=FUNCTION, EventSourceArn=stream, StartingPosition="TRIM_HORIZON", BatchSize=10,
        FunctionResponseTypes=["ReportBatchItemFailures"])["UUID"]


def order(database, count):
    expected = {}
    for number in range(count):
        customer, amount = random.choice(("Ada", "Grace", "Alan")), random.randint(1, 100)
        database.put_item(TableName=ORDERS, Item={
            "id": {"S": f"order-{number}"}, "customer": {"S": customer}, "amount": {"N": str(amount)}})
        expected[customer] = expected.get(customer, 0) + amount
    return expected


def totals(database):
    items = database.scan(TableName=TOTALS, ConsistentRead=True, FilterExpression="attribute_exists(spent)")["Items"]
    return {item["customer"]["S"]: int(item["spent"]["N"]) for item in items}


def main():
    database, functions = client("dynamodb"), client("lambda")
    mapping = None
    try:
        make_tables(database)
        stream = database.describe_table(TableName=ORDERS)["Table"]["LatestStreamArn"]
        mapping = make_function(functions, stream)
        expected = order(database, 30)
        end = time.monotonic() + 60
        while (found := totals(database)) != expected:
            if time.monotonic() > end:
                sys.exit(f"after a minute the totals are {found} and not {expected}")
            time.sleep(0.1)
        for customer, total in sorted(found.items()):
            print(f"{customer}: {total}")
    finally:
        if mapping:
            functions.delete_event_source_mapping(UUID=mapping)
            functions.delete_function(FunctionName=FUNCTION)
        for name in (ORDERS, TOTALS):
            database.delete_table(TableName=name)


if __name__ == "__main__":
    main()
