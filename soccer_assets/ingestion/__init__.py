"""From bytes to rows: archive, parse, load; what is asked for again, and what is to be expected of a day."""
