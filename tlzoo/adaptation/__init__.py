"""Domain adaptation: methods that take unlabelled target data."""

from tlzoo.io.extras import require_training

require_training()
