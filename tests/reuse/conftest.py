import pytest

from hpmagic.execution.reuse import stages


@pytest.fixture(autouse=True)
def eager(monkeypatch):
    """Checkpoints wherever they are possible, however little they save."""
    monkeypatch.setattr(stages, "WORTH", 0.0)
    monkeypatch.setattr(stages, "COST", float("inf"))
