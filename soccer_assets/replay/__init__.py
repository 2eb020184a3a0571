"""A season again, day by day on one virtual clock, with the real graph and nobody at the keyboard."""
