"""The Gradio page and its API. Only this folder and `app.py` import Gradio; nothing here computes results."""
