"""What every rating is: a state that results move, and that is read at each kick-off."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa

from soccer_assets.arrays import AnyArray, FloatArray, IntArray
from soccer_assets.features.log import Ids, MatchLog

#: Kind, or ``kind: what`` -> one row for each thing of that kind.
State = dict[str, FloatArray]


def _of(table: str) -> str:
    """The kind of things whose table it is."""
    return table.partition(":")[0]


@dataclass(frozen=True, eq=False)
class Sparse:
    """Rows of which most is zero, as few bytes."""

    width: int
    count: int
    """Rows, (count, width)."""
    places: IntArray
    """Of what is not zero, in the flattened rows."""
    values: FloatArray

    @classmethod
    def of(cls, rows: FloatArray) -> "Sparse":
        flat = np.ascontiguousarray(rows).ravel()
        places = np.flatnonzero(flat.view(np.int64))  # by their bits: -0.0 is not 0.0
        return cls(rows.shape[1], len(rows), places, flat[places])

    def rows(self) -> FloatArray:
        """The rows, to the bit."""
        flat = np.zeros(self.count * self.width)
        flat[self.places] = self.values
        return flat.reshape(self.count, self.width)


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
    states: dict[str, dict[str, Sparse]]
    """Rating -> its state, rows in the order of ``ids``."""

    @classmethod
    def of(cls, ids: Ids, states: dict[str, State], counts: dict[str, int]) -> "Memory":
        """Of the first so many things of each kind."""
        return cls(
            {kind: ids[kind][:count].copy() for kind, count in counts.items()},
            {
                name: {
                    table: Sparse.of(rows[: counts[_of(table)]]) for table, rows in state.items()
                }
                for name, state in states.items()
            },
        )

    @classmethod
    def blank(cls, ratings: tuple[Rating, ...]) -> "Memory":
        return cls({}, {rating.name: {} for rating in ratings})

    def rows(self, ratings: tuple[Rating, ...], ids: Ids) -> dict[str, State]:
        """The states, with a fresh row for each thing that is new in ``ids``."""
        return {
            rating.name: {
                table: _grown(self.states[rating.name].get(table), row, len(ids[_of(table)]))
                for table, row in rating.fresh.items()
            }
            for rating in ratings
        }

    def to_table(self) -> pa.Table:
        """One row, an array a column."""
        arrays: dict[str, AnyArray] = {f"ids {kind}": ids for kind, ids in self.ids.items()}
        for name, state in self.states.items():
            for table, sparse in state.items():
                arrays[f"{name} {table} places"] = sparse.places
                arrays[f"{name} {table} values"] = sparse.values
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
                    name: Sparse(
                        len(fresh),
                        len(ids[_of(name)]),
                        array(f"{rating.name} {name} places"),
                        array(f"{rating.name} {name} values"),
                    )
                    for name, fresh in rating.fresh.items()
                }
                for rating in ratings
            },
        )


def _grown(known: Sparse | None, fresh: FloatArray, count: int) -> FloatArray:
    if known is None:
        return np.tile(fresh, (count, 1))
    return np.concatenate([known.rows(), np.tile(fresh, (count - known.count, 1))])
