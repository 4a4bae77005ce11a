"""Models: a backbone with a head, what of it is frozen, its stages, its export to ONNX. Torch lives here."""

from tlzoo.io.extras import require_training

require_training()
