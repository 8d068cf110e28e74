"""Comparison of policies on a pipeline's own history: each is lived through, within a budget of CPU seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from declaration.model import Metric
from declaration.pipeline import Pipeline
from drift.backtesting.advice import Advice, advise
from drift.backtesting.conditions import left_out
from drift.backtesting.course import BacktestError, first_question, live
from drift.backtesting.grid import Blocks, Line, declared_line, plain_lines, setting_lines
from drift.backtesting.history import History
from drift.backtesting.outcome import Outcome, outcome_of
from drift.backtesting.trainer import BudgetSpentError, Trainer
from driftline.backtest.kept import kept_trainings
from driftline.backtest.past import Past, Reality, read_past, read_reality
from learning.threads import limited_threads
from learning.train import chosen_metric
from resources.connections import Connections

MIN_LIVE = 5
"""Windows with labels after the first training, below which nothing can be said."""

MAX_PLAIN_TRAININGS = 24
"""Trainings of the densest schedule: every window of a short history, every few of a long one."""

DEFAULT_BUDGET = 900
"""CPU seconds by default."""

Progress = Callable[[str], None]
"""Told what is being done, in words."""


@dataclass(frozen=True)
class Comparison:
    """Policies of a pipeline, side by side.

    Attributes
    ----------
    pipeline, metric
        Its name, and the declared metric.
    past, reality
        What was lived through, and from which tables; and what its own reports say.
    advice
        Outcomes, and what follows for the declaration.
    cut
        Policies that were not lived through to their end: the budget was spent.
    budget_s, cpu_s
        CPU seconds that were allowed, and spent by this run.
    n_trained, n_kept
        Trainings of this run, and those of earlier ones that it used again.
    left_out
        Declared conditions of the gate that no challenger was held to, and why.
    """

    pipeline: str
    metric: Metric
    past: Past
    reality: Reality
    advice: Advice
    cut: tuple[str, ...]
    budget_s: float
    cpu_s: float
    n_trained: int
    n_kept: int
    left_out: tuple[str, ...] = ()

    @property
    def live(self) -> tuple[str, ...]:
        """Keys of the windows that were lived through."""
        history = self.past.history
        return history.names[history.n_history :]

    @property
    def declared(self) -> Outcome:
        """Outcome of the policy as it is declared."""
        return self.advice.compared[0].outcome


def compare(
    pipeline: Pipeline,
    connections: Connections,
    home: Path,
    *,
    rows: int,
    budget_s: float,
    progress: Progress,
) -> Comparison:
    """Live through a pipeline's history under every policy of the grid.

    Parameters
    ----------
    pipeline, connections
        The pipeline, and where its tables are.
    home
        Where trainings are kept: an interrupted comparison resumes.
    rows
        Most rows of a window.
    budget_s
        CPU seconds after which no further training is begun.
    progress
        Told what is being done.

    Raises
    ------
    BacktestError
        If there is no history to compare policies on.
    """
    started = time.process_time()
    spec = pipeline.spec
    progress("reading the history")
    past = read_past(pipeline, connections, rows=rows)
    metric = chosen_metric(spec.model, past.history.problem)
    trainings = kept_trainings(home, pipeline.name, past, spec.model)
    blocks = Blocks(spec.model, spec.drift, spec.retrain)

    def allow() -> None:
        if time.process_time() - started >= budget_s:
            raise BudgetSpentError(f"{budget_s:g} CPU seconds are spent.")

    trainer = Trainer(
        past.history, spec.model, kept=trainings, allow=allow, threads=connections.engine.threads
    )
    with limited_threads(connections.engine.threads):
        try:
            past = replace(past, history=_begun(past.history, blocks, trainer, pipeline.name))
        except BudgetSpentError as error:
            raise _too_little(budget_s, trainer) from error
        trainer.history = past.history
        outcomes, cut = _lived(past, blocks, trainer, metric, progress, lambda: time.process_time() - started)
    if not outcomes or outcomes[0][0].kind != "declared":
        raise _too_little(budget_s, trainer)
    return Comparison(
        pipeline.name,
        metric,
        past,
        read_reality(pipeline, connections.lake, metric),
        advise(outcomes, past.history.problem, metric, n_cut=sum(line.kind == "setting" for line in cut)),
        tuple(line.name for line in cut),
        budget_s,
        time.process_time() - started,
        trainer.n_trained,
        trainer.n_read,
        tuple(left_out(spec.model.gate)),
    )


def _too_little(budget_s: float, trainer: Trainer) -> BacktestError:
    return BacktestError(
        f"{budget_s:g} CPU seconds did not suffice for the policy as declared; {trainer.n_trained} trainings of it were made and are kept. "
        "Start it again to go on from there, or raise --cpu-budget."
    )


def _lived(
    past: Past,
    blocks: Blocks,
    trainer: Trainer,
    metric: Metric,
    progress: Progress,
    spent: Callable[[], float],
) -> tuple[Sequence[tuple[Line, Outcome]], Sequence[Line]]:
    """Live through the history under one policy after the other; name those for which the budget did not suffice."""
    history = past.history
    outcomes: list[tuple[Line, Outcome]] = []
    cut: list[Line] = []
    for line in _lines(past, blocks, outcomes):

        def seen(window: int, line: Line = line) -> None:
            progress(
                f"{line.name}: window {history.names[window]} "
                f"({trainer.n_trained} trainings done, {trainer.n_read} kept, {spent():.0f} CPU s)"
            )

        try:
            course = live(history, line.make(), trainer, seen=seen)
        except BudgetSpentError:
            cut.append(line)
            if line.kind == "declared":
                # What the others are compared with.
                break
            continue
        outcomes.append((line, outcome_of(history, course, metric)))
        if line.kind == "declared":
            # A plain schedule fits what the declaration's trainings had chosen by then: it differs by its times alone.
            trainer.chosen = {
                training.window: training.model.name for training in (course.first, *course.trained)
            }
    return outcomes, cut


def _lines(past: Past, blocks: Blocks, outcomes: Sequence[tuple[Line, Outcome]]) -> Iterator[Line]:
    """Give the grid: the declared policy first, for how often it trains says how often others do."""
    yield declared_line(blocks, past.lookback)
    n_trainings = outcomes[0][1].n_trainings if outcomes else 0
    step = -(-len(past.history.live) // MAX_PLAIN_TRAININGS)
    plain = list(plain_lines(past.history, blocks, n_trainings=n_trainings, step=step, delay=past.delay))
    # What costs next to nothing comes first, and what costs most last.
    yield from plain[:2]
    yield from setting_lines(blocks, lookback=past.lookback, delay=past.delay)
    yield from plain[2:]


def _begun(history: History, blocks: Blocks, trainer: Trainer, name: str) -> History:
    """Find the first window whose labels suffice for a first model, and let the history be lived through from there."""
    policy = declared_line(blocks, 0).make()
    _, floor = blocks.retrain.first_floor
    for window in range(len(history.windows)):
        begun = replace(history, n_history=window + 1)
        if history.n_known(window, since_us=0) < floor:
            continue
        if trainer.train(first_question(begun, policy)) is not None:
            break
    else:
        raise BacktestError(
            f"no window of '{name}' has labels enough for a first training ({floor} are asked for by the `retrain` block). "
            f"Run `driftline status {name}` to see what it waits for."
        )
    n_labelled = sum(rows["label"].null_count < rows.num_rows for rows in history.windows[begun.n_history :])
    if n_labelled < MIN_LIVE:
        raise BacktestError(
            f"'{name}' has {n_labelled} windows with labels after the first training as of {history.names[begun.n_history - 1]}; "
            f"at least {MIN_LIVE} are needed to compare policies. Come back when more have passed."
        )
    return begun
