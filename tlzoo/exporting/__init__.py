"""Export: one ONNX file with its manifest, proven equal to the trained model."""
