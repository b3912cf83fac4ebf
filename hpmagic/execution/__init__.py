"""A cell and values to an outcome: instrumenting, running, capturing and putting back."""
