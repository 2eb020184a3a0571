from pathlib import Path

import pytest

from soccer_assets.modelling import tuning
from soccer_assets.modelling.splits import timeline
from soccer_assets.modelling.tuning import Tuning, tune
from soccer_assets.params.training import LogisticParams, TrainingParams
from soccer_assets_tests.modelling.synthetic import rows_of, simulate_matches

MATCHES = simulate_matches(600)
ROWS = rows_of(MATCHES)
FOLDS = timeline(MATCHES["kickoff"], TrainingParams(folds=2)).folds
TRIALS = 12
#: So strong a penalty that nothing is learnt.
GIVEN = LogisticParams(C=1e-7)


class Killed(BaseException):
    """Stands for a kill, between two writes or in the middle of one."""


def search(journal: Path | None = None, seed: int = 3) -> Tuning:
    return tune("plain", GIVEN, ROWS, FOLDS, TRIALS, seed, journal)


@pytest.fixture(scope="module")
def found() -> Tuning:
    return search()


def test_a_search_begins_with_what_is_given_and_ends_with_something_better(found):
    assert found.trials[0].params == {"C": 1e-7}
    losses = [trial.losses[-1] for trial in found.trials if not trial.pruned]
    assert min(losses) < losses[0] - 0.05
    best = next(trial for trial in found.trials if trial.losses[-1] == min(losses))
    assert best.params["C"] == found.params.C > 1e-4
    assert found.params.max_rows == GIVEN.max_rows
    assert found.importances == {"C": pytest.approx(1.0)}


def test_what_is_worse_than_most_after_a_fold_is_given_up(found):
    assert [trial.number for trial in found.trials] == list(range(TRIALS))
    assert not any(trial.pruned for trial in found.trials[:5])
    pruned = [trial for trial in found.trials if trial.pruned]
    assert pruned
    assert all(len(trial.losses) == 1 for trial in pruned)
    assert all(len(trial.losses) == 2 for trial in found.trials if not trial.pruned)


def test_a_search_that_was_killed_goes_on_and_finds_the_same(found, tmp_path, monkeypatch):
    journal, walks = tmp_path / "search" / "plain.log", []

    def counted(*arguments):
        walks.append(arguments)
        if len(walks) in (1, 9):
            raise Killed
        return walk(*arguments)

    walk = tuning.walk
    monkeypatch.setattr(tuning, "walk", counted)
    for _ in range(2):
        with pytest.raises(Killed):
            search(journal)
        with journal.open("ab") as file:
            file.write(b'{"op_code": 4, "wor')
    again = search(journal)
    assert (again.params, again.trials) == (found.params, found.trials)
    assert len(walks) == TRIALS + 2
