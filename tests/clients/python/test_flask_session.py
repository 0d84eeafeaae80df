"""Flask-Session: the sessions of a Flask application, in a table that the extension makes.

It means to enable time to live, too, but never gets there: it swallows the AttributeError of its own call.
"""

import boto3
from flask import Flask, session
from flask_session import Session

from eventual import eventually


def application(table):
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY="only a test",
        SESSION_TYPE="dynamodb",
        SESSION_DYNAMODB=boto3.resource("dynamodb"),
        SESSION_DYNAMODB_TABLE=table,
        SESSION_PERMANENT=True,
    )
    Session(app)

    @app.post("/cart/<thing>")
    def put(thing):
        session.setdefault("cart", []).append(thing)
        session.modified = True
        return session["cart"]

    @app.get("/cart")
    def cart():
        return session.get("cart", [])

    @app.post("/leave")
    def leave():
        session.clear()
        return []

    return app


def test_sessions_outlive_the_application(aws, table_name):
    app = application(table_name)
    visitor, other = app.test_client(), app.test_client()
    assert visitor.post("/cart/apple").json == ["apple"]
    # Sessions are read without ConsistentRead.
    eventually(lambda: visitor.get("/cart").json, lambda cart: cart == ["apple"])
    assert visitor.post("/cart/pear").json == ["apple", "pear"]
    assert other.get("/cart").json == []
    again = application(table_name).test_client()
    cookie = visitor.get_cookie("session")
    again.set_cookie("session", cookie.value)
    eventually(lambda: again.get("/cart").json, lambda cart: cart == ["apple", "pear"])
    visitor.post("/leave")
    eventually(lambda: again.get("/cart").json, lambda cart: cart == [])
    (left,) = [boto3.resource("dynamodb").Table(table_name).scan(ConsistentRead=True)["Count"]]
    assert left == 0
