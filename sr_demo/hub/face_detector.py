"""The checkpoint of the face detector, which belongs to no approach."""

from __future__ import annotations

from sr_demo.checkpoint import Checkpoint, WeightFile

YUNET = Checkpoint(
    name="yunet",
    title="Face detector YuNet",
    files=(
        WeightFile(
            "face_detection_yunet_2023mar.onnx",
            "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
            232_589,
            ("opencv/face_detection_yunet:face_detection_yunet_2023mar.onnx",),
        ),
    ),
    licence="MIT",
    recommended=True,
)
