"""Small tables in the lake."""

from io import BytesIO

import pandas as pd

from soccer_assets.storage.store import ObjectStore


def put_frame(store: ObjectStore, key: str, frame: pd.DataFrame) -> None:
    """Write a frame as one parquet object."""
    buffer = BytesIO()
    frame.to_parquet(buffer, index=False)
    store.put(key, buffer.getvalue())


def get_frame(store: ObjectStore, key: str) -> pd.DataFrame:
    """Read it back. Raises ObjectNotFound."""
    return pd.read_parquet(BytesIO(store.get(key)))
