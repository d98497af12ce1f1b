"""Export of a network for use without this project: ONNX, OpenVINO, int8, with a runner and a README."""
