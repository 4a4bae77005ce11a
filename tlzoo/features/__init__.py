"""Features: all that a frozen part computes, computed once and cached."""

from tlzoo.io.extras import require_training

require_training()
