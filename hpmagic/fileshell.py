"""A notebook or script run from outside: a shell of its own runs the cells in order."""

from __future__ import annotations

import ast
import atexit
import linecache
import sys
import warnings
from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from IPython.core.compilerop import CachingCompiler
from IPython.core.displayhook import DisplayHook
from IPython.core.inputtransformer2 import leading_empty_lines
from IPython.core.interactiveshell import InteractiveShell
from traitlets import Type
from traitlets.config import Config

from hpmagic.cells import FileCell, importable_beside
from hpmagic.notebook.extension import load

if TYPE_CHECKING:
    from hpmagic.notebook.magics import TuneMagics

__all__ = ["FileShell", "file_shell"]


class FileShell:
    """Runs cells of one file. Tracebacks point into the file: its lines, or a notebook's cells."""

    def __init__(self, shell: Any, magics: TuneMagics, path: Path) -> None:
        self.shell = shell
        self.magics = magics
        self._compiler = _FileCompiler(path)
        self._is_script = path.suffix == ".py"
        shell.compile = self._compiler
        if self._is_script:
            # The blank lines that stand for the cells above must stay.
            shell.input_transformer_manager.cleanup_transforms.remove(leading_empty_lines)

    def run(self, cell: FileCell, *, as_study: bool = True) -> Any:
        """Run one cell; the shell's result. Errors are shown, not raised.

        Args:
            cell: the cell.
            as_study: heed its header; else it is plain Python, with the values written in it.
        """
        from hpmagic.notebook.header import without_header

        text = cell.text if as_study else without_header(cell.text)
        self._compiler.number = cell.number
        header = cell.header if self._is_script else None
        self._compiler.header = header.line + cell.line - 1 if header else 1
        padding = "\n" * (cell.line - 1) if self._is_script else ""
        return self.shell.run_cell(padding + text, store_history=True)


@contextmanager
def file_shell(
    path: Path, over: Sequence[str] = (), namespace: MutableMapping[str, Any] | None = None
) -> Iterator[FileShell]:
    """A shell for a file, with the magics loaded.

    It keeps no history on disk and leaves the process as it found it.

    Args:
        path: the file; its folder is importable.
        over: words that win over each header's own.
        namespace: where the cells run; a new one when None.
    """
    main = sys.modules.get("__main__")
    module = ModuleType("__main__")
    variables: MutableMapping[str, Any] = module.__dict__ if namespace is None else namespace
    variables.update(__file__=str(path), __name__="__main__")
    config = Config()
    config.HistoryManager.enabled = False
    if not sys.stdout.isatty():
        config.InteractiveShell.colors = "nocolor"
    only = not InteractiveShell.initialized()
    make = _Shell.instance if only else _Shell
    shell: Any = make(config=config, user_module=module, user_ns=variables)
    magics = load(shell)
    magics.over = tuple(over)
    try:
        with importable_beside(path), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "To exit: use 'exit'")  # there is nobody to tell
            yield FileShell(shell, magics, path)
    finally:
        atexit.unregister(shell.atexit_operations)
        shell.restore_sys_module_state()
        if main is not None:
            sys.modules["__main__"] = main
        if only:
            _Shell.clear_instance()


class _DisplayHook(DisplayHook):
    """Shows a cell's value without a prompt before it."""

    def write_output_prompt(self) -> None:
        return None


class _Shell(InteractiveShell):
    """A shell without a person before it."""

    displayhook_class = Type(_DisplayHook)

    def enable_gui(self, gui: str | None = None) -> None:
        """There is no event loop to join."""

    def showtraceback(self, *arguments: Any, **options: Any) -> None:
        """Show an error; a cell that exits is none."""
        if not isinstance(sys.exc_info()[1], SystemExit):
            super().showtraceback(*arguments, **options)


class _FileCompiler(CachingCompiler):
    """Names code after the file, so that errors can be found in it."""

    def __init__(self, path: Path) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.number = 0
        self.header = 1
        """The line of the cell's header in the file."""
        self._path = path

    def get_code_name(self, raw_code: str, transformed_code: str, number: int) -> str:
        del raw_code, transformed_code, number
        if self._path.suffix == ".py":
            return str(self._path.resolve())
        return f"{self._path.resolve()}#{self.number}"

    def ast_parse(self, source: str, *arguments: Any, **options: Any) -> ast.AST:
        """The call that a tune cell has become stands on the header's line: warnings name it."""
        tree = super().ast_parse(source, *arguments, **options)
        if source.startswith("get_ipython().run_cell_magic('tune'"):
            ast.increment_lineno(tree, self.header - 1)
        return tree

    def format_code_name(self, name: str) -> tuple[str, str] | None:
        if name == str(self._path.resolve()):
            return "File", str(self._path)
        file, mark, number = name.rpartition("#")
        if mark and file == str(self._path.resolve()):
            return f"{self._path},", f"cell {number}"
        return None

    def cache(self, transformed_code: str, number: int = 0, raw_code: str | None = None) -> str:
        name = str(super().cache(transformed_code, number, raw_code))
        if Path(name).is_file():  # the file itself has all the lines
            linecache.cache.pop(name, None)
        return name
