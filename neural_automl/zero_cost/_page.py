"""A page of scores: one file that any browser opens, without a network."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pandas as pd

_PREFIX: Final = "zero_cost."
#: Rows of the table under the plots.
_ROWS: Final = 50


def score_page(frame: pd.DataFrame, title: str) -> str:
    """Return scores as a page of HTML that holds the whole of Plotly.

    Args:
        frame: As ``ScoredPool.to_frame`` returns it.
        title: Above the plots.
    """
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    names = [str(name) for name in frame if str(name).startswith(_PREFIX)]
    figure = make_subplots(
        rows=len(names),
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.3 / (10 * len(names)),
        subplot_titles=[name.removeprefix(_PREFIX) for name in names],
    )
    keys = [f"{place}. {key[:12]}" for place, key in enumerate(frame["key"], 1)]
    for row, name in enumerate(names, 1):
        figure.add_trace(
            go.Scattergl(
                x=frame["params"],
                y=frame[name],
                text=keys,
                mode="markers",
                showlegend=False,
                hovertemplate="%{text}<br>%{x} parameters<br>%{y}<extra></extra>",
                marker={
                    "color": frame["rank"],
                    "colorscale": "Viridis",
                    "showscale": row == 1,
                    "colorbar": {"title": "rank", "len": 1 / len(names), "y": 1, "yanchor": "top"},
                },
            ),
            row=row,
            col=1,
        )
    figure.update_xaxes(type="log")
    figure.update_xaxes(title="parameters", row=len(names), col=1)
    figure.update_layout(height=120 + 280 * len(names), template="plotly_white")
    plots = figure.to_html(full_html=False, include_plotlyjs=True)
    table = frame.head(_ROWS).to_html(index=False, float_format=lambda x: f"{x:.5g}", border=0)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style></head>\n"
        f"<body><h1>{escape(title)}</h1>\n<p>A dot is a network; its colour is the rank of all "
        f"proxies together, 0 is the best.</p>\n{plots}\n{table}\n</body></html>\n"
    )


_STYLE: Final = (
    "body{font-family:sans-serif;margin:2em}"
    "table{border-collapse:collapse;font-size:85%}"
    "td,th{padding:.2em .8em;text-align:right;border-bottom:1px solid #ddd}"
)
