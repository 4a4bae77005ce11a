"""Text backbones for tlzoo."""
