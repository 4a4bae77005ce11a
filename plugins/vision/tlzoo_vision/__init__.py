"""Vision backbones for tlzoo, built with timm."""
