"""Prediction from one ONNX file. Needs neither torch nor the plugins."""

from tlzoo.runtime.predictor import MultiLabelPrediction, Prediction, Predictor, ValuePrediction, load

__all__ = ["MultiLabelPrediction", "Prediction", "Predictor", "ValuePrediction", "load"]
