"""Newest instants of the point-in-time join: for each label, that of the newest row of its entity, from blocks of rows.

Entity and instant make one integer, so that a block of rows is put in order by sorting plain integers, and the labels,
sorted once, find their places by binary search. Blocks come in any order and are forgotten one after another: memory is
bounded by the labels and one block, whatever the number of rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]

NEVER = int(np.iinfo(np.int64).min)
"""Instant of a label that finds nothing; no timestamp has it."""

MIN_BLOCK, MAX_BLOCK = 1_000_000, 8_000_000
"""Rows of a block: as many as there are labels, as each block costs one search of all of them, within these bounds."""

WIDEST = 2**63 - 1


@dataclass(frozen=True)
class CodedLabels:
    """Labels that may find something, sorted by entity and instant.

    Attributes
    ----------
    positions
        Positions among all labels. Shape (n,).
    entities
        Numbers of their entities, from 0 on. Shape (n,), ascending.
    instants
        Microseconds since 1970. Shape (n,), ascending within an entity.
    """

    positions: Integers
    entities: Integers
    instants: Integers

    @classmethod
    def of(cls, table: pa.Table) -> CodedLabels:
        """Sort labels given as columns of position, entity and instant, in any order and without nulls."""
        positions, entities, instants = (_integers(column) for column in table.columns)
        if len(positions):
            scale = _scale(int(entities.max()), [instants])
            order = np.argsort(entities * scale.size + scale.numbers(instants))
            positions, entities, instants = positions[order], entities[order], instants[order]
        return cls(positions, entities, instants)


@dataclass(frozen=True)
class Block:
    """Some rows' entities, instants and, where they are told, instants of making; no nulls. Shapes (n,)."""

    entities: Integers
    instants: Integers
    made: Integers | None


def blocks(reader: Iterable[pa.RecordBatch], n_labels: int) -> Iterator[Block]:
    """Gather a stream of batches (entity, instant and perhaps making) into blocks for a number of labels."""
    size = min(max(n_labels, MIN_BLOCK), MAX_BLOCK)
    held: list[pa.RecordBatch] = []
    n_held = 0
    for batch in reader:
        if held and n_held + batch.num_rows > size:
            yield _block(held)
            held, n_held = [], 0
        held.append(batch)
        n_held += batch.num_rows
    if held:
        yield _block(held)


def newest_instants(labels: CodedLabels, rows: Iterable[Block]) -> Integers:
    """Find for each label the newest instant among its entity's rows that happened, and were made, by then.

    Parameters
    ----------
    labels
        The labels.
    rows
        Rows of the labels' entities, none of them newer or made later than the newest label. Where making is not told,
        it is not looked at.

    Returns
    -------
    NDArray
        Microseconds since 1970 in the labels' order; `NEVER` where there is none. Shape (n,).
    """
    newest = np.full(len(labels.instants), NEVER, dtype=np.int64)
    for block in rows:
        if len(block.entities) == 0 or len(newest) == 0:
            continue
        if block.made is None:
            _improve(newest, labels, block.entities, block.instants, None)
            continue
        is_late = block.made > block.instants
        if not is_late.any():
            _improve(newest, labels, block.entities, block.instants, None)
            continue
        # Rows made at once count since their instant: one array to sort, and not two that belong together.
        is_prompt = ~is_late
        _improve(newest, labels, block.entities[is_prompt], block.instants[is_prompt], None)
        _improve(newest, labels, block.entities[is_late], block.instants[is_late], block.made[is_late])
    return newest


def _improve(
    newest: Integers, labels: CodedLabels, entities: Integers, instants: Integers, made: Integers | None
) -> None:
    """Raise labels' newest instants to those of some rows; without `made` they count since their own instant."""
    if len(entities) == 0:
        return
    last_entity = int(max(labels.entities[-1], entities.max()))
    scale = _scale(last_entity, [instants] if made is None else [instants, made])
    base = labels.entities * scale.size
    wanted = base + scale.floor(labels.instants)
    values = entities * scale.size
    if made is None:
        values += scale.numbers(instants)
        values.sort()
        since = values
    else:
        since = values + scale.numbers(made)
        order = np.argsort(since)
        since = since[order]
        values += scale.numbers(instants)
        # In the order of making, each with the newest made so far; a later entity's are all greater.
        values = np.maximum.accumulate(values[order])
    place = np.searchsorted(since, wanted, side="right") - 1
    # Place -1 is the last row, beyond what is wanted.
    found = since[place]
    is_found = (found > base) & (found <= wanted)
    known = values[place[is_found]] - base[is_found]
    newest[is_found] = np.maximum(newest[is_found], scale.instants(known))


@dataclass(frozen=True)
class _Scale:
    """Instants as whole numbers from 1 on, so few that they fit beside an entity's number; 0 lies before all.

    Attributes
    ----------
    size
        One more than the greatest number.
    origin
        Instant of number 1, where numbers are distances.
    ranked
        Instants in their order, where numbers are ranks among them.
    """

    size: int
    origin: int
    ranked: Integers | None = None

    def numbers(self, instants: Integers) -> Integers:
        """Give instants of rows their numbers."""
        if self.ranked is None:
            return instants - (self.origin - 1)
        return np.searchsorted(self.ranked, instants) + 1

    def floor(self, instants: Integers) -> Integers:
        """Give the number of the last instant of rows that is not after each of the labels'."""
        if self.ranked is None:
            return np.clip(instants, self.origin - 1, self.origin + self.size - 2) - (self.origin - 1)
        return np.searchsorted(self.ranked, instants, side="right")

    def instants(self, numbers: Integers) -> Integers:
        """Return the instants of numbers."""
        if self.ranked is None:
            return numbers + (self.origin - 1)
        return self.ranked[numbers - 1]


def _scale(last_entity: int, instants: Sequence[Integers]) -> _Scale:
    """Choose numbers of instants: their distances; where entities and a long time do not fit in 64 bits together, ranks."""
    first = min(int(some.min()) for some in instants)
    last = max(int(some.max()) for some in instants)
    size = last - first + 2
    if (last_entity + 1) * size <= WIDEST and first > NEVER + 1:
        return _Scale(size, first)
    ranked = np.unique(np.concatenate(instants))
    return _Scale(len(ranked) + 1, 0, ranked)


def _block(batches: list[pa.RecordBatch]) -> Block:
    columns = [_integers(column) for column in pa.Table.from_batches(batches).columns]
    return Block(columns[0], columns[1], columns[2] if len(columns) > 2 else None)


def _integers(column: pa.ChunkedArray) -> Integers:
    integers: Integers = column.cast(pa.int64()).to_numpy()
    return integers
