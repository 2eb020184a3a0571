"""A simulated football world behind the day feed.

Ten invented countries with two men's divisions, promotion and relegation, a national cup, and
women's leagues in three of them: about 7,100 matches a season. Clubs have latent attack and
defence that drift from week to week, so that past results inform about future ones.

A payload is a pure function of (seed, first season, day, moment). Everything random is drawn per
(country, season) from its own stream, and each match is *viewed* at the moment asked for: nothing
that happens later than that moment, nor a fixture that depends on it, is shown.
"""

from soccer_assets.simulator.leagues.simulator import LeagueSimulator

__all__ = ["LeagueSimulator"]
