"""Snapshots without a database."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

import numpy as np

from soccer_assets.serving.paging import epoch_us
from soccer_assets.serving.snapshot import RECORD, Origin, Piece, Snapshot
from soccer_assets.warehouse.served_model import ServedModel
from soccer_assets_tests.serving.conftest import NOW


class Match(NamedTuple):
    match_id: int
    kickoff: datetime = NOW
    scheduled: bool = True
    tournament_id: int = 1
    home_team_id: int = 1
    away_team_id: int = 2
    body: bytes = b"{}"


def piece_of(matches: Iterable[Match]) -> Piece:
    chosen = list(matches)
    rows = [(m.match_id, epoch_us(m.kickoff), *m[3:6], m.scheduled, len(m.body)) for m in chosen]
    return Piece(np.array(rows, RECORD).tobytes(), b"".join(m.body for m in chosen))


def snapshot_of(
    version: int,
    matches: Iterable[Match] = (),
    *,
    at: datetime = NOW,
    piece_size: int = 7,
    origin: Origin = Origin.DATABASE,
) -> Snapshot:
    chosen = list(matches)
    pieces = [
        piece_of(chosen[first : first + piece_size]) for first in range(0, len(chosen), piece_size)
    ]
    model = ServedModel("m", version, f"run-{version}", "d", NOW, {"log_loss": 0.98})
    return Snapshot.build(model, pieces, refreshed_at=at, loaded_at=at, origin=origin)
