"""The command line as ``python -m neural_automl``."""

from __future__ import annotations

from neural_automl.cli import main

if __name__ == "__main__":
    main()
