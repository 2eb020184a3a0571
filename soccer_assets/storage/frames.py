"""Small tables in the lake, each version under a key of its own."""

from collections.abc import Collection
from hashlib import sha256
from io import BytesIO

import pandas as pd

from soccer_assets.storage.store import ObjectStore


def put_frame(store: ObjectStore, folder: str, frame: pd.DataFrame) -> str:
    """Write a frame as one parquet object; returns its key, which is made of its bytes: equal frames
    have equal keys."""
    buffer = BytesIO()
    frame.to_parquet(buffer, index=False)
    body = buffer.getvalue()
    key = f"{folder}{sha256(body).hexdigest()}.parquet"
    store.put(key, body)
    return key


def get_frame(store: ObjectStore, key: str) -> pd.DataFrame:
    """Read it back. Raises ObjectNotFound."""
    return pd.read_parquet(BytesIO(store.get(key)))


def keep_frames(store: ObjectStore, folder: str, keys: Collection[str]) -> None:
    """Remove the other versions."""
    for key in store.list(folder):
        if key not in keys:
            store.delete(key)
