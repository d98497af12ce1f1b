"""Execution of approaches: jobs and their events, the runner, tiled upscaling, the model cache and time estimates."""
