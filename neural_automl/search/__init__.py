"""A search from its begin to its result: checks, the study, the workers."""
