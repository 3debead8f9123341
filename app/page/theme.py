"""Colours and type of the page. System fonts only: nothing is fetched."""

from __future__ import annotations

from gradio.themes import Base, colors, sizes

_SANS = ("ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")


def build_theme() -> Base:
    """A calm theme, light and dark."""
    theme = Base(
        primary_hue=colors.blue,
        secondary_hue=colors.blue,
        neutral_hue=colors.slate,
        text_size=sizes.text_sm,
        spacing_size=sizes.spacing_sm,
        radius_size=sizes.radius_md,
        font=_SANS,
        font_mono=_MONO,
    )
    return theme.set(
        body_background_fill="#f6f7f9",
        body_background_fill_dark="#0e1217",
        color_accent="#0072b2",
        loader_color="#0072b2",
        checkbox_background_color_selected="#0072b2",
        checkbox_background_color_selected_dark="#0072b2",
        checkbox_border_color_selected="#0072b2",
        checkbox_border_color_selected_dark="#0072b2",
        checkbox_label_background_fill="#ffffff",
        checkbox_label_background_fill_dark="#171c23",
        checkbox_label_background_fill_selected="#e3f0f8",
        checkbox_label_background_fill_selected_dark="#15303f",
        checkbox_label_border_width="1px",
        checkbox_label_border_color="#e2e6ec",
        checkbox_label_border_color_dark="#29313b",
        button_primary_background_fill="#0072b2",
        button_primary_background_fill_dark="#0072b2",
        button_primary_background_fill_hover="#005f94",
        button_primary_background_fill_hover_dark="#005f94",
        button_primary_border_color="#0072b2",
        button_primary_border_color_dark="#0072b2",
        button_secondary_background_fill="#ffffff",
        button_secondary_background_fill_dark="#171c23",
        button_border_width="1px",
        button_secondary_border_color="#cfd6df",
        button_secondary_border_color_dark="#38424e",
        block_background_fill="#ffffff",
        block_background_fill_dark="#171c23",
        block_border_width="1px",
        block_border_color="#e2e6ec",
        block_border_color_dark="#29313b",
        block_shadow="none",
        block_label_background_fill="transparent",
        block_label_border_width="0",
        input_background_fill="#ffffff",
        input_background_fill_dark="#10151b",
    )
