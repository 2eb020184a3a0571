"""Small tables in the lake."""

from hashlib import sha256
from io import BytesIO

import pandas as pd

from soccer_assets.storage.store import ObjectStore


def put_frame(store: ObjectStore, key: str, frame: pd.DataFrame) -> None:
    """Write a frame as one parquet object."""
    buffer = BytesIO()
    frame.to_parquet(buffer, index=False)
    store.put(key, buffer.getvalue())


def frame_version(frame: pd.DataFrame, *more: object) -> str:
    """Changes with any column, row or bit of the frame, with the order of its rows, and with what
    else is given."""
    rows = pd.util.hash_pandas_object(frame, index=False).to_numpy()
    return sha256(repr((*frame.columns, *more)).encode() + rows.tobytes()).hexdigest()


def get_frame(store: ObjectStore, key: str) -> pd.DataFrame:
    """Read it back. Raises ObjectNotFound."""
    return pd.read_parquet(BytesIO(store.get(key)))
