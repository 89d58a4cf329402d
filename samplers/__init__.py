"""Optuna samplers of our own, one folder each in the form of an OptunaHub package."""
