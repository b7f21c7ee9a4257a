"""Training: the loop, optimizers and schedules, precision, state and resume."""
