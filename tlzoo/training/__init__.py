"""Training: the loop, its steps and schedule, and a module for each strategy."""

from tlzoo.io.extras import require_training

require_training()
