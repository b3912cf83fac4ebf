"""Tuners that are other packages' engines, there when these are installed."""
