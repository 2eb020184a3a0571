import numpy as np
import pandas as pd
import pytest

from soccer_assets.modelling.market import margin_free, market_probabilities


def test_the_margin_is_taken_out_by_a_power():
    odds = np.array([[2.0, 3.4, 3.6], [1.05, 15.0, 41.0], [2.2, 3.6, 3.9], [101.0, 51.0, 1.001]])
    found = margin_free(odds)
    assert found.sum(axis=1) == pytest.approx(1.0, abs=1e-12)
    powers = np.log(found) / -np.log(odds)
    assert powers == pytest.approx(np.tile(powers[:, :1], 3), rel=1e-9)
    # A margin makes it more than 1, and takes most from the outsider; odds of none make it less.
    assert powers[1, 0] > 1.0 > powers[2, 0]
    assert found[1, 2] < (1 / 41) / (1 / odds[1]).sum()


def test_a_fair_book_is_left_as_it_is():
    truth = np.array([[0.5, 0.3, 0.2]])
    assert margin_free(1 / truth) == pytest.approx(truth)


def test_odds_that_are_none_have_no_probabilities():
    odds = np.array([[2.0, np.nan, 3.0], [1.0, 3.0, 4.0], [2.0, 3.0, np.inf], [2.0, 3.4, 3.6]])
    assert np.isnan(margin_free(odds)).all(axis=1).tolist() == [True, True, True, False]
    matches = pd.DataFrame(odds, columns=["odds_home", "odds_draw", "odds_away"])
    assert market_probabilities(matches) is not None
    assert market_probabilities(matches.iloc[:3]) is None
    assert market_probabilities(matches[["odds_home"]]) is None
