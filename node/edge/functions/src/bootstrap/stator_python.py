"""Runs Python handlers over Lambda's Runtime API where AWS's own client (awslambdaric) is not installed.

The standard library's HTTP client would cost more at the start than the rest of this file; the one server that is ever spoken
to is Stator, so a socket and a few lines do.
"""

import importlib
import json
import logging
import os
import socket
import sys
import time
import traceback
import types

API = os.environ["AWS_LAMBDA_RUNTIME_API"]


class Api:
    """One connection that stays open."""

    def __init__(self):
        host, _, port = API.rpartition(":")
        self.socket = socket.create_connection((host, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = self.socket.makefile("rb")

    def request(self, method, path, body=b"", headers=()):
        lines = [f"{method} /2018-06-01/runtime/{path} HTTP/1.1", f"Host: {API}"]
        lines += [f"{name}: {value}" for name, value in headers]
        lines += [f"Content-Length: {len(body)}", "", ""]
        self.socket.sendall("\r\n".join(lines).encode() + body)
        status = int(self.reader.readline().split()[1])
        answer = {}
        while line := self.reader.readline().rstrip(b"\r\n"):
            name, _, value = line.decode("latin-1").partition(":")
            answer[name.lower()] = value.strip()
        return status, answer, self.reader.read(int(answer.get("content-length", 0)))

    def post_error(self, path, error):
        self.request("POST", path, encode(error), [("Lambda-Runtime-Function-Error-Type", error["errorType"])])


class Identity:
    cognito_identity_id = None
    cognito_identity_pool_id = None


class Context:
    """What a handler is given as its second argument."""

    def __init__(self, headers):
        self.aws_request_id = headers["lambda-runtime-aws-request-id"]
        self.invoked_function_arn = headers.get("lambda-runtime-invoked-function-arn", "")
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.identity = Identity()
        self.client_context = client_context(headers.get("lambda-runtime-client-context"))
        self._deadline_ms = int(headers.get("lambda-runtime-deadline-ms", 0))

    def get_remaining_time_in_millis(self):
        return max(0, self._deadline_ms - int(time.time() * 1000))

    def log(self, message):
        sys.stdout.write(str(message))


def client_context(text):
    if not text:
        return None
    given = json.loads(text)
    client = types.SimpleNamespace(**{name: None for name in
        ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")})
    client.__dict__.update(given.get("client") or {})
    return types.SimpleNamespace(client=client, custom=given.get("custom"), env=given.get("env"))


class Fault(Exception):
    """An error of the function that is none of its exceptions."""

    def __init__(self, kind, message, trace=()):
        super().__init__(message)
        self.error = {"errorMessage": message, "errorType": kind, "requestId": "", "stackTrace": list(trace)}


class WithRequestId(logging.Filter):
    def filter(self, record):
        record.aws_request_id = request_id
        return True


class Formatter(logging.Formatter):
    default_msec_format = "%s.%03dZ"
    converter = time.gmtime


request_id = ""


def set_up_logging():
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(Formatter("[%(levelname)s]\t%(asctime)s\t%(aws_request_id)s\t%(message)s", "%Y-%m-%dT%H:%M:%S"))
    handler.addFilter(WithRequestId())
    logging.getLogger().addHandler(handler)


def encode(value):
    return json.dumps(value).encode()


def load(handler):
    """The function that is named module.function, where the module may be a path."""
    module_name, dot, function_name = handler.rpartition(".")
    if not dot or not module_name:
        raise Fault("Runtime.MalformedHandlerName",
                    f"Bad handler '{handler}': not enough values to unpack (expected 2, got 1)")
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        raise Fault("Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}") from error
    except SyntaxError as error:
        trace = [f"  File \"{error.filename}\" Line {error.lineno}\n    {error.text or ''}"]
        raise Fault("Runtime.UserCodeSyntaxError", f"Syntax error in module '{module_name}': {error}", trace) from error
    try:
        return getattr(module, function_name)
    except AttributeError:
        raise Fault("Runtime.HandlerNotFound",
                    f"Handler '{function_name}' missing on module '{module_name}'") from None


def error_of(error):
    """The error object for an exception, and what the log says of it."""
    if isinstance(error, Fault):
        object = dict(error.error, requestId=request_id)
        return object, f"[ERROR] {object['errorType']}: {object['errorMessage']}"
    frames = traceback.extract_tb(error.__traceback__)
    # The frames of this file say nothing about the function.
    while frames and frames[0].filename == __file__:
        frames = frames[1:]
    trace = traceback.format_list(frames)
    object = {"errorMessage": str(error), "errorType": type(error).__name__, "requestId": request_id, "stackTrace": trace}
    log = [f"[ERROR] {object['errorType']}: {object['errorMessage']}"]
    if trace:
        log.append("Traceback (most recent call last):")
        log += [line.rstrip("\n") for line in trace]
    return object, "\n".join(log)


def work(api, handler):
    global request_id
    _, headers, event = api.request("GET", "invocation/next")
    if "lambda-runtime-aws-request-id" not in headers:
        sys.exit(1)
    request_id = headers["lambda-runtime-aws-request-id"]
    os.environ["_X_AMZN_TRACE_ID"] = headers.get("lambda-runtime-trace-id", "")
    try:
        try:
            event = json.loads(event)
        except ValueError as error:
            raise Fault("Runtime.UnmarshalError", f"Unable to unmarshal input: {error}") from error
        answer = handler(event, Context(headers))
        try:
            answer = encode(answer)
        except (TypeError, ValueError, RecursionError) as error:
            raise Fault("Runtime.MarshalError", f"Unable to marshal response: {error}") from error
    except Exception as error:
        object, log = error_of(error)
        print(log, flush=True)
        api.post_error(f"invocation/{request_id}/error", object)
        return
    sys.stdout.flush()
    status, _, _ = api.request("POST", f"invocation/{request_id}/response", answer,
                               [("Content-Type", "application/json")])
    if status == 413:
        print(f"[ERROR] The response of {len(answer)} bytes is too large", flush=True)


def main():
    sys.stdout.reconfigure(line_buffering=True)
    sys.path.insert(0, os.environ["LAMBDA_TASK_ROOT"])
    set_up_logging()
    api = Api()
    try:
        handler = load(sys.argv[1])
    except BaseException as error:
        if isinstance(error, SystemExit):
            raise
        object, log = error_of(error)
        print(log, flush=True)
        api.post_error("init/error", object)
        sys.exit(1)
    while True:
        work(api, handler)


if __name__ == "__main__":
    main()
