"""A study as a person reads it: one page of HTML, and what optuna-dashboard shows of it."""

from neural_automl.report._dashboard import publish
from neural_automl.report._page import make_report, write_report

__all__ = ["make_report", "publish", "write_report"]
