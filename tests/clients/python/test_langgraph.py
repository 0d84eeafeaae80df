"""LangGraph with its checkpoints and its long-term memory in DynamoDB (langgraph-checkpoint-aws).

Left out: semantic search (vector indexes), large checkpoints, which go to S3.
"""

import operator
from typing import Annotated, TypedDict

import boto3
import pytest
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt
from langgraph_checkpoint_aws import DynamoDBSaver, DynamoDBStore

from cluster import REGION
from eventual import eventually


class State(TypedDict):
    said: Annotated[list[str], operator.add]


def greet(state):
    return {"said": [f"hello, {state['said'][-1]}"]}


def ask(state):
    return {"said": [f"the answer is {interrupt('may I?')}"]}


def graph(table):
    builder = StateGraph(State)
    builder.add_node("greet", greet)
    builder.add_node("ask", ask)
    builder.add_edge(START, "greet")
    builder.add_edge("greet", "ask")
    builder.add_edge("ask", END)
    saver = DynamoDBSaver(table_name=table, region_name=REGION, ttl_seconds=3600, enable_checkpoint_compression=True)
    return builder.compile(checkpointer=saver), saver


@pytest.fixture
def checkpoints(aws, table_name):
    """The table of the package's CloudFormation template."""
    client = boto3.client("dynamodb")
    client.create_table(
        TableName=table_name,
        KeySchema=[{"AttributeName": "PK", "KeyType": "HASH"}, {"AttributeName": "SK", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("PK", "SK")],
        BillingMode="PAY_PER_REQUEST",
    )
    return wait_for(table_name)


def wait_for(table):
    waiter = boto3.client("dynamodb").get_waiter("table_exists")
    waiter.wait(TableName=table, WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    return table


def test_a_conversation_is_interrupted_and_goes_on_in_another_process(checkpoints):
    thread = {"configurable": {"thread_id": "t1"}}
    first, _ = graph(checkpoints)
    reply = first.invoke({"said": ["ann"]}, thread)
    assert reply["said"] == ["ann", "hello, ann"]
    # A graph made anew knows only what is in the table, which it reads without ConsistentRead.
    second, saver = graph(checkpoints)
    eventually(lambda: second.get_state(thread), lambda state: state.next == ("ask",) and state.tasks[0].interrupts)
    reply = second.invoke(Command(resume="yes"), thread)
    assert reply["said"] == ["ann", "hello, ann", "the answer is yes"]
    state = eventually(lambda: second.get_state(thread), lambda state: state.next == ())
    assert state.values == reply
    history = eventually(lambda: list(second.get_state_history(thread)), lambda states: len(states) == 4)
    assert [state.metadata["step"] for state in history] == [2, 1, 0, -1]
    assert len(list(second.get_state_history(thread, limit=2))) == 2
    # Back to the moment of the question, and on from there on another branch.
    asked = next(state for state in history if state.next == ("ask",))
    branch = second.update_state(asked.config, {"said": ["again"]})
    eventually(lambda: second.get_state(branch), lambda state: state.next == ("ask",))
    second.invoke(None, branch)
    eventually(lambda: second.get_state(thread), lambda state: state.values["said"][-1] == "again" and state.interrupts)
    reply = second.invoke(Command(resume="no"), thread)
    assert reply["said"] == ["ann", "hello, ann", "again", "the answer is no"]
    saver.delete_thread("t1")
    eventually(lambda: second.get_state(thread).values, lambda values: values == {})
    assert boto3.client("dynamodb").scan(TableName=checkpoints, ConsistentRead=True)["Count"] == 0


def test_the_store_makes_its_table_and_remembers(aws, table_name):
    store = DynamoDBStore(table_name=table_name, region_name=REGION, ttl={"default_ttl": 60})
    store.setup()
    wait_for(table_name)
    client = boto3.client("dynamodb")
    eventually(
        lambda: client.describe_time_to_live(TableName=table_name)["TimeToLiveDescription"],
        lambda told: told == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires_at"},
    )
    for number in range(5):
        store.put(("users", "ann"), f"fact {number}", {"text": f"likes {number}", "even": number % 2 == 0})
    item = eventually(lambda: store.get(("users", "ann"), "fact 3"))
    assert item.value == {"text": "likes 3", "even": False}
    found = eventually(lambda: store.search(("users", "ann"), filter={"even": True}), lambda items: len(items) == 3)
    assert [item.key for item in found] == ["fact 0", "fact 2", "fact 4"]
    assert eventually(store.list_namespaces, lambda names: ("users", "ann") in names)
    store.delete(("users", "ann"), "fact 3")
    eventually(lambda: store.get(("users", "ann"), "fact 3"), lambda item: item is None)
