import numpy as np
import pytest

from soccer_assets.modelling.holdout import (
    holdout_table,
    losses_of,
    outcomes_of,
    probabilities_of,
    system_rows,
)
from soccer_assets.modelling.slices import standard_slices
from soccer_assets_tests.modelling.synthetic import simulate_matches


def test_a_table_gives_back_what_it_was_made_of():
    matches = simulate_matches(8).iloc[3:]
    first, second = np.tile([0.5, 0.3, 0.2], (5, 1)), np.tile([0.2, 0.3, 0.5], (5, 1))
    table = holdout_table(matches, {"a": first, "b": second})
    assert len(table) == 10
    assert (probabilities_of(table, "b") == second).all()
    assert (outcomes_of(table, "a") == matches["outcome"]).all()
    assert (system_rows(table, "b")["match_id"] == matches["match_id"].to_numpy()).all()
    expected = -np.log(first[np.arange(5), matches["outcome"]])
    assert losses_of(table, "a") == pytest.approx(expected)
    with pytest.raises(KeyError, match="'c'"):
        losses_of(table, "c")


def test_slices_cover_every_match_by_sex_and_by_elo():
    matches = simulate_matches(500)
    slices = standard_slices(matches)
    assert list(slices) == [
        "sex=1",
        "sex=2",
        "elo_gap<75",
        "elo_gap 75-200",
        "elo_gap>=200",
        "elo_unknown",
    ]
    assert (slices["sex=1"] ^ slices["sex=2"]).all()
    assert (np.sum([slices[name] for name in slices if "elo" in name], axis=0) == 1).all()
    gap = matches["elo_difference"].abs()
    assert gap[slices["elo_gap 75-200"]].between(75, 200).all()


def test_slices_of_few_columns():
    matches = simulate_matches(20)[["sex"]].assign(sex=1)
    assert list(standard_slices(matches)) == ["sex=1"]
