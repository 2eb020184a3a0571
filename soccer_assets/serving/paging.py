"""Positions in the (kickoff, match_id) order, and the opaque cursors that carry them."""

import base64
import binascii
import struct
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

_PACKED = struct.Struct(">qq")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIRST_ID, _LAST_ID = -(2**63), 2**63 - 1

DAY_US = 86_400_000_000


class Position(NamedTuple):
    """A place in the list of matches; ``kickoff_us`` is microseconds since 1970, exact."""

    kickoff_us: int
    match_id: int


class BadCursor(ValueError):
    """The text is not a cursor that this service wrote."""


def epoch_us(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def before_all_at(kickoff_us: int) -> Position:
    return Position(kickoff_us, _FIRST_ID)


def after_all_at(kickoff_us: int) -> Position:
    return Position(kickoff_us, _LAST_ID)


def encode_cursor(position: Position) -> str:
    return base64.urlsafe_b64encode(_PACKED.pack(*position)).rstrip(b"=").decode("ascii")


def decode_cursor(text: str) -> Position:
    try:
        packed = base64.b64decode(text.encode("ascii") + b"==", altchars=b"-_", validate=True)
        position = Position(*_PACKED.unpack(packed))
    except (UnicodeEncodeError, binascii.Error, struct.error) as error:
        raise BadCursor("not a cursor of this service") from error
    if encode_cursor(position) != text:
        raise BadCursor("not a cursor of this service")
    return position
