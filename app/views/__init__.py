"""Results as what the page shows: HTML, and JSON for the scripts in ``static``. No gradio here."""
