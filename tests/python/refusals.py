"""What a refused call is told."""

import contextlib

import pytest
from botocore.exceptions import ClientError


class Refusal:
    code = message = response = None


@contextlib.contextmanager
def refused(code, text=None):
    """The block must be refused with that code, and a message that contains the text."""
    refusal = Refusal()
    with pytest.raises(ClientError) as caught:
        yield refusal
    refusal.response = caught.value.response
    refusal.code, refusal.message = (refusal.response["Error"].get(name) for name in ("Code", "Message"))
    assert refusal.code == code, refusal.message
    if text is not None:
        assert text in refusal.message
