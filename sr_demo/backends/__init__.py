"""What networks run on: torch, OpenVINO, the choice between them, quantization, and loaders of checkpoints."""
