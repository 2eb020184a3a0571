"""Learning calibrated 1X2 probabilities from a dataset, and judging whether they may be served."""
