"""Export that cannot lie: one ONNX file, with a manifest, proven equal to what was trained."""
