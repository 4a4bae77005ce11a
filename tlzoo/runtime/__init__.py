"""Prediction from one ONNX file. Needs neither torch nor the plugins."""

from tlzoo.runtime.predictor import Prediction, Predictor, load

__all__ = ["Prediction", "Predictor", "load"]
