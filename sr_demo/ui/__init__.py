"""The page. Only this room and `app.py` know Gradio; nothing here computes."""
