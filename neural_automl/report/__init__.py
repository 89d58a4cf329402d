"""A study as a person reads it: one page of HTML, and the figures and notes of a dashboard."""

from neural_automl.report._page import make_report, write_report

__all__ = ["make_report", "write_report"]
