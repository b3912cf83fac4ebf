"""Which code is the person's own."""

from types import ModuleType

import pytest

from hpmagic.execution.heap.world import World


@pytest.mark.parametrize(("file", "own"), [("{}/mine.py", True), ("made_up.py", False)])
def test_a_module_is_the_persons_where_its_file_lies_in_their_folder(
    tmp_path, monkeypatch, file, own
):
    """A relative file is a library's invention, such as ``torch.ops`` has, and lies nowhere."""
    monkeypatch.chdir(tmp_path)
    module = ModuleType("mine")
    module.__file__ = file.format(tmp_path)
    assert World({}, [tmp_path]).owns_module(module) is own
