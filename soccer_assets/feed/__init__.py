"""The feed's vocabulary: fields, statuses, states, faults, limits and the blocks of a payload."""
