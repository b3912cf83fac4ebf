"""A study's events and facts, shown: live, as a final picture, as text and as plots."""

from hpmagic.display.view import LiveView, live_view

__all__ = ["LiveView", "live_view"]
