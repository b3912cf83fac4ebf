"""Instrumented or not, Python means the same."""

import asyncio

import pytest
from one_trial import run, runner_of, trial

from hpmagic.records import TrialState

CELLS = {
    "future import and docstring": '''
"""What this cell is."""
from __future__ import annotations
a = 1  # tune: int(1, 9)
def f(x: Missing) -> Missing: return x
seen = (a, __doc__, f.__annotations__["x"])
want = (5, "What this cell is.", "Missing")
''',
    "walrus": """
a = 1  # tune: int(1, 9)
if (b := a * 2) > 3: seen = [c := a, b]
want = [5, 10]
""",
    "star arguments": """
def f(*args, **kw): return args, kw
seen = f(*[1], *(2,), **{"k": 0}, **dict(
    a=1,  # tune: int(1, 9)
))
want = ((1, 2), {"k": 0, "a": 5})
""",
    "match": """
a = 1  # tune: int(1, 9)
match {"a": a, "rest": [1, 2]}:
    case {"a": 5, "rest": [first, *_]}:
        seen = first
        m = 0.5  # tune: metric
    case _:
        seen = None
want = 1
""",
    "decorator and closure": """
import functools
def scale(by):
    def wrap(f):
        @functools.wraps(f)
        def inner(*args): return f(*args) * by
        return inner
    return wrap
@scale(by=1)
def plain(): return 1
@scale(
    by=1,  # tune: int(1, 9), name="a"
    )
def f(): return 2
seen = (plain(), f())
want = (1, 10)
""",
    "global and nonlocal": """
count = 0
def outer():
    total = 0
    def inner():
        nonlocal total
        global count
        a = 1  # tune: int(1, 9)
        total += a
        count += a
    inner(); inner()
    return total
seen = (outer(), count)
want = (10, 10)
""",
    "comprehension": """
seen = [dict(
    a=1,  # tune: int(1, 9)
)["a"] + i for i in range(2)]
want = [5, 6]
""",
    "class body and method": """
class Box:
    a = 1  # tune: int(1, 9)
    __private = a
    def get(self):
        self.__x = 2  # tune: int(1, 9), name="x"
        return self.a + self.__private + self.__x
seen = Box().get()
want = 13
""",
    "lambda and default": """
f = lambda k, a=2: k + a
def g(
    a=1,  # tune: int(1, 9)
): return f(a)
seen = g()
want = 7
""",
    "try star": """
seen = []
try:
    raise ExceptionGroup("g", [ValueError(1)])
except* ValueError:
    a = 1  # tune: int(1, 9)
    seen.append(a)
want = [5]
""",
    "nested functions and loops": """
def train():
    best = 0
    for i in range(2):
        for j in range(2):
            def step():
                a = 1  # tune: int(1, 9)
                return a + i + j
            best = max(best, step())
    return best
seen = train()
want = 7
""",
    "generator and async function": """
import asyncio
def gen():
    for i in range(2):
        a = 1  # tune: int(1, 9)
        yield a + i
async def agen():
    for v in gen():
        await asyncio.sleep(0)
        yield v
async def main(): return [v async for v in agen()]
seen = asyncio.run(main())
want = [5, 6]
""",
    "top-level await": """
import asyncio
async def one():
    await asyncio.sleep(0)
    return 1
a = 1  # tune: int(1, 9)
seen = [await one() for _ in range(2)] + [a]
b = await one()  # tune: int(1, 9), name="b"
async with asyncio.timeout(5):
    seen.append(b)
want = [1, 1, 5, 1]
""",
    "with and one-liners": """
import contextlib
with contextlib.nullcontext(1) as one: a = 1  # tune: int(1, 9)
for i in range(2): m = a * i  # tune: metric
seen = (a, m)
want = (5, 5)
""",
}


@pytest.mark.parametrize("name", CELLS)
def test_cell_gives_what_python_gives(name):
    outcome = trial(CELLS[name] + "done = 1.0  # tune: maximize\n", {}, {"a": 5, "x": 3})
    assert outcome.state is TrialState.COMPLETE, outcome.output.traceback
    assert outcome.bindings["seen"] == outcome.bindings["want"]


def test_await_works_while_a_loop_is_running():
    runner = runner_of("""
        import asyncio
        await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        acc = 1.0  # tune: maximize
        """)

    async def kernel():
        first, second = run(runner), run(runner)
        await asyncio.sleep(0)
        return first, second, asyncio.get_running_loop()

    first, second, loop = asyncio.run(kernel())
    assert first.state is second.state is TrialState.COMPLETE
    assert first.bindings["loop"] is not loop
    assert first.bindings["loop"].is_closed()


def test_awaiting_cell_fails_with_its_own_line():
    outcome = trial("import asyncio\nawait asyncio.sleep(0)\n1 / 0\n")
    assert outcome.reason == "ZeroDivisionError: division by zero (line 3)"
    assert "asyncio" not in outcome.output.traceback


def test_tasks_left_behind_are_cancelled():
    outcome = trial("""
        import asyncio
        ended = []
        async def forever():
            try:
                await asyncio.sleep(3600)
            finally:
                ended.append(True)
        task = asyncio.create_task(forever())
        await asyncio.sleep(0)
        acc = 1.0  # tune: maximize
        """)
    assert outcome.state is TrialState.COMPLETE
    assert outcome.bindings["ended"] == [True]


def test_magic_lines_arrive_as_python():
    from hpmagic.execution.runner import KernelRunner
    from hpmagic.language import parse_cell

    class Shell:
        def run_line_magic(self, *words):
            return " ".join(words)

    cell = parse_cell(
        "said = %say hello\nacc = 1.0  # tune: maximize\n",
        python="said = get_ipython().run_line_magic('say', 'hello')\nacc = 1.0  # tune: maximize\n",
    )
    outcome = run(KernelRunner(cell, {"get_ipython": Shell}))
    assert outcome.bindings["said"] == "say hello"
