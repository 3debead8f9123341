"""The page: a gradio front of the sparsevit library. Run ``python app.py``."""
