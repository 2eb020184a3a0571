"""Versions of small tables."""

import numpy as np
import pandas as pd

from soccer_assets.storage.frames import frame_version

FRAME = pd.DataFrame({"match_id": [1, 2], "p_home": [0.5, np.nan]})


def test_equal_frames_have_one_version_and_any_difference_makes_another() -> None:
    version = frame_version(FRAME)
    assert frame_version(FRAME.copy().set_axis([7, 8])) == version
    others = [
        FRAME.assign(p_home=[np.nextafter(0.5, 1), np.nan]),
        FRAME.assign(p_home=[0.5, 0.0]),
        FRAME.rename(columns={"p_home": "p_away"}),
        FRAME.iloc[::-1],
        FRAME.iloc[:1],
        FRAME.assign(p_draw=0.25),
    ]
    versions = {version, frame_version(FRAME, "as of noon"), *map(frame_version, others)}
    assert len(versions) == 2 + len(others)
