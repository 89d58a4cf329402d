"""What trials run on: budgets, leases, workers, and what becomes of a trial when one dies."""
