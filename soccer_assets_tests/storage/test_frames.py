"""Versions of small tables in the lake."""

from datetime import UTC, datetime

import pandas as pd
import pytest

from soccer_assets.storage.frames import get_frame, keep_frames, put_frame
from soccer_assets.storage.store import LocalStore, ObjectNotFound

FRAME = pd.DataFrame(
    {
        "match_id": [1, 2],
        "p": [0.1 + 0.2, float("nan")],
        "at": [datetime(2024, 3, 9, tzinfo=UTC)] * 2,
    }
)


def test_a_frame_comes_back_as_it_was(store: LocalStore) -> None:
    key = put_frame(store, "folder/", FRAME)
    assert key.startswith("folder/")
    pd.testing.assert_frame_equal(get_frame(store, key), FRAME, check_exact=True)
    empty = put_frame(store, "folder/", FRAME[:0])
    assert list(get_frame(store, empty)) == list(FRAME)


def test_the_key_changes_with_the_content_and_with_nothing_else(store: LocalStore) -> None:
    key = put_frame(store, "folder/", FRAME)
    assert put_frame(store, "folder/", FRAME.copy().set_axis([7, 8])) == key
    others = [
        FRAME.assign(p=[0.3, float("nan")]),
        FRAME[::-1],
        FRAME.rename(columns={"p": "q"}),
        FRAME.astype({"match_id": "int32"}),
        FRAME[:1],
    ]
    assert len({key, *(put_frame(store, "folder/", other) for other in others)}) == 6


def test_versions_that_nobody_needs_are_removed(store: LocalStore) -> None:
    old, kept, other = (
        put_frame(store, folder, FRAME[:rows])
        for folder, rows in (("folder/", 0), ("folder/", 1), ("other/", 2))
    )
    keep_frames(store, "folder/", {kept})
    assert store.list("") == [kept, other]
    with pytest.raises(ObjectNotFound):
        get_frame(store, old)
