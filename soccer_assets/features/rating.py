"""What every rating is: a state that results move, and that is read at each kick-off."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa

from soccer_assets.arrays import AnyArray, FloatArray, IntArray
from soccer_assets.features.log import Ids, MatchLog

#: Kind -> one row for each thing of it.
State = dict[str, FloatArray]


class Rating(Protocol):
    """One system of ratings or counts.

    Reading is free of effects: what is asked for a match depends on the results learnt before it alone,
    not on which other matches were asked for. So a fixture that comes, goes or moves changes no
    feature but its own.
    """

    @property
    def name(self) -> str: ...

    @property
    def columns(self) -> tuple[str, ...]:
        """What a reading gives, in this order."""
        ...

    @property
    def fresh(self) -> State:
        """Kind -> the row of a thing of which nothing is known, (width,)."""
        ...

    def walk(self, log: MatchLog, moments: IntArray, state: State, out: FloatArray) -> None:
        """Go through time: read into ``out`` (matches, columns), learn into ``state``.

        Args:
            moments: ``i`` is the kick-off of match ``i``, ``~i`` the moment at which its result has
                become known.
        """
        ...


@dataclass(frozen=True, eq=False)
class Memory:
    """All that ratings know at a moment."""

    ids: Ids
    states: dict[str, State]
    """Rating -> its state, rows in the order of ``ids``."""

    @classmethod
    def blank(cls, ratings: tuple[Rating, ...]) -> "Memory":
        return cls({}, {rating.name: {} for rating in ratings})

    def grown(self, ratings: tuple[Rating, ...], ids: Ids) -> "Memory":
        """A copy with a fresh row for each thing that is new in ``ids``."""
        states = {
            rating.name: {
                kind: _grown(self.states[rating.name].get(kind), row, len(ids[kind]))
                for kind, row in rating.fresh.items()
            }
            for rating in ratings
        }
        return Memory(ids, states)

    def cut(self, counts: dict[str, int]) -> "Memory":
        """A copy of the first so many things of each kind."""
        return Memory(
            {kind: ids[: counts[kind]].copy() for kind, ids in self.ids.items()},
            {
                name: {kind: rows[: counts[kind]].copy() for kind, rows in state.items()}
                for name, state in self.states.items()
            },
        )

    def to_table(self) -> pa.Table:
        """One row, an array a column."""
        arrays: dict[str, AnyArray] = {f"ids {kind}": ids for kind, ids in self.ids.items()}
        for name, state in self.states.items():
            arrays |= {f"{name} {kind}": rows.ravel() for kind, rows in state.items()}
        return pa.table({name: pa.array([array]) for name, array in arrays.items()})

    @classmethod
    def from_table(cls, table: pa.Table, ratings: tuple[Rating, ...]) -> "Memory":
        """What ``to_table`` gave, of the same ratings."""

        def array(name: str) -> AnyArray:
            return table[name].chunk(0).values.to_numpy()

        ids = {
            name.removeprefix("ids "): array(name)
            for name in table.column_names
            if name.startswith("ids ")
        }
        return cls(
            ids,
            {
                rating.name: {
                    kind: array(f"{rating.name} {kind}").reshape(-1, len(fresh))
                    for kind, fresh in rating.fresh.items()
                }
                for rating in ratings
            },
        )


def _grown(rows: FloatArray | None, fresh: FloatArray, count: int) -> FloatArray:
    grown = np.tile(fresh, (count, 1))
    if rows is not None:
        grown[: len(rows)] = rows
    return grown
