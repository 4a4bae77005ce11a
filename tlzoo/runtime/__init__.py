"""Prediction from one ONNX file. Needs neither torch nor the plugins."""

from tlzoo.runtime.predictions import Failure, MultiLabelPrediction, Prediction, ValuePrediction
from tlzoo.runtime.predictor import Predictor, load

__all__ = ["Failure", "MultiLabelPrediction", "Prediction", "Predictor", "ValuePrediction", "load"]
