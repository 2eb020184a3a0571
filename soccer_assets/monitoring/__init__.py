"""Watching a served model: drift of its inputs, its settled score, the data gained since."""
