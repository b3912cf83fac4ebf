"""Random cells that mutate and alias, over what a fixed earlier cell has left."""

from __future__ import annotations

from textwrap import indent

from hypothesis import strategies as st

__all__ = ["EARLIER", "cells"]

EARLIER = """
import random
import numpy as np
import pandas as pd

class C:
    n = 0
    def __init__(self):
        self.v = 1
        self.items = []
    def bump(self, by):
        self.v += by
        C.n += 1
        self.items.append(by)
        return self.v
    def rate(self):
        return lr

def f(x, log=[]):
    log.append(x)
    return len(log)

def g():
    return lr + 1

def peek(name):
    return globals()[name]

def counter():
    n = 0
    def inc(by=1):
        nonlocal n
        n += by
        return n
    return inc

def numbers():
    i = 0
    while True:
        i += 1
        yield i

inc = counter()
o = C()
xs = [3, 1, 2]
ys = xs
zs = [xs, [0]]
d = {'a': 1, 'xs': xs}
arr = np.arange(4.0)
view = arr[::2]
df = pd.DataFrame({'a': [1.0, 2.0], 'b': [3, 4]})
r = random.Random(7)
n = 0
"""

SHOW = (
    "seen = repr((n, xs, ys, zs, sorted(map(str, d.items())), arr.tolist(), view.tolist(), o.v, "
    "o.items, C.n, f.__defaults__, inc.__closure__[0].cell_contents, df.to_dict(), ys is xs, "
    "o.items is xs, view.base is arr))"
)

LISTS = st.sampled_from(["xs", "ys", "zs", "o.items", "d['xs']", "zs[0]"])
SMALL = st.integers(0, 3).map(str)
NUMBERS = st.one_of(
    SMALL,
    st.sampled_from(
        [
            "lr", "k", "n", "o.v", "C.n", "len(xs)", "float(arr.sum())", "float(view[0])",
            "lr * k", "df.a.sum()",
        ]
    ),
)  # fmt: skip


def filled(pattern: str, **parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.fixed_dictionaries(parts).map(lambda found: pattern.format(**found))


PLAIN = st.one_of(
    filled("{a}.append({e})", a=LISTS, e=NUMBERS),
    filled("{a} = {b}", a=LISTS, b=LISTS),
    filled("{a} = list({b})", a=LISTS, b=LISTS),
    filled("{a} = {a} + [{e}]", a=LISTS, e=NUMBERS),
    filled("{a} += [{e}]", a=LISTS, e=NUMBERS),
    filled("{a}[0] = {e}", a=LISTS, e=NUMBERS),
    filled("{a}.extend({b}[:2])", a=LISTS, b=LISTS),
    filled("{a}.reverse()", a=LISTS),
    filled("{a}.pop()", a=LISTS),
    filled("del {a}[0]", a=LISTS),
    filled("d['b'] = {e}", e=NUMBERS),
    filled("d['xs'] = {a}", a=LISTS),
    filled("d.pop('a', None)"),
    filled("d = dict(d)"),
    filled("arr += {e}", e=NUMBERS),
    filled("arr *= {e}", e=NUMBERS),
    filled("arr = arr * {e}", e=NUMBERS),
    filled("arr[1] = {e}", e=NUMBERS),
    filled("view = arr[{c}:]", c=SMALL),
    filled("view = arr.copy()"),
    filled("view[0] = {e}", e=NUMBERS),
    filled("arr = view"),
    filled("np.random.shuffle(arr)"),
    filled("o.v = {e}", e=NUMBERS),
    filled("n = o.bump({e})", e=NUMBERS),
    filled("o = C()"),
    filled("C.n += 1"),
    filled("C.extra = {e}", e=NUMBERS),
    filled("o.items = {a}", a=LISTS),
    filled("n = f({e})", e=NUMBERS),
    filled("n = g()"),
    filled("n = o.rate()"),
    filled("n = inc({c})", c=SMALL),
    filled("n = r.random()"),
    filled("n = random.random()"),
    filled("n = float(np.random.rand())"),
    filled("np.random.seed({c})", c=SMALL),
    filled("n = {e}", e=NUMBERS),
    filled("n = n + {e}", e=NUMBERS),
    filled("lr = lr / 2"),
    filled("k += 1"),
    filled("n = eval('lr')"),
    filled("n = peek('k')"),
    filled("exec('n = n + {c}')", c=SMALL),
    filled("df['c'] = {e}", e=NUMBERS),
    filled("df.loc[0, 'a'] = {e}", e=NUMBERS),
    filled("df['a'] *= {e}", e=NUMBERS),
    filled("df = df.assign(z={e})", e=NUMBERS),
    filled("df = df.copy()"),
    filled("fn = lambda: lr + n"),
    filled("n = fn()"),
    filled("def h(by={e}): return by + k", e=NUMBERS),
    filled("n = h()"),
    filled("def w():\n    global n\n    n = n + lr\nw()"),
    filled("inc = counter()"),
    filled("it = iter({a})", a=LISTS),
    filled("n = next(it, 0)"),
    filled("gen = numbers()"),
    filled("n = next(gen)"),
    filled("xs = sorted(xs, key=str)"),
    filled("ys = [v for v in xs if v != {e}]", e=NUMBERS),
)


def nested(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    block = st.lists(inner, min_size=1, max_size=2).map(lambda b: indent("\n".join(b), "    "))
    return st.one_of(
        filled("if {e} > {c}:\n{a}\nelse:\n{b}", e=NUMBERS, c=SMALL, a=block, b=block),
        filled("for i in range({c}):\n{a}", c=SMALL, a=block),
        filled("try:\n{a}\nexcept Exception:\n{b}", a=block, b=block),
    )


STATEMENTS = st.recursive(PLAIN, nested, max_leaves=3)


@st.composite
def cells(draw: st.DrawFn) -> str:
    """A cell: up to ten statements, with two tuned lines anywhere before the last third."""
    body = draw(st.lists(STATEMENTS, min_size=2, max_size=10))
    limit = 2 * len(body) // 3
    body.insert(draw(st.integers(0, limit)), "k = 1  # tune: int(1, 3)")
    body.insert(draw(st.integers(0, limit)), "lr = 0.1  # tune: uniform(0, 1)")
    return "\n".join([*body, SHOW, "score = 1.0  # tune: maximize", ""])
