"""Prediction from one ONNX file. Needs neither torch nor the plugins."""

from tlzoo.runtime.predictions import Failure
from tlzoo.runtime.predictor import Predictor, load
from tlzoo.tasks.base import Prediction

__all__ = ["Failure", "Prediction", "Predictor", "load"]
