"""Cells that leave things behind, hide them or reach them by side ways."""

from __future__ import annotations

from dataclasses import dataclass, field
from textwrap import dedent

__all__ = ["CELLS", "VALUES", "Nasty"]

VALUES: tuple[dict[str, object], ...] = (
    {},
    {"lr": 0.5, "k": 2},
    {"lr": 0.25, "k": 2},
    {"lr": 0.5, "k": 3},
    {"lr": 0.1, "k": 1},
    {"lr": 0.5, "k": 2},
)
"""The trials of every cell, one after the other; the fifth is the default again."""

HEAD = "lr = 0.1  # tune: uniform(0, 1)\nk = 1  # tune: int(1, 3)\n"


@dataclass(frozen=True)
class Nasty:
    """A cell, what earlier cells left for it, and an expression that looks at that afterwards.

    The cell assigns `seen` and `score`. ``known`` says why a cell is a known limit; with
    ``settings`` the probe looks at the process, of which a best trial leaves nothing.
    """

    name: str
    cell: str
    setup: str = ""
    probe: str = "None"
    files: dict[str, str] = field(default_factory=dict)
    known: str = ""
    settings: bool = False
    marked: bool = True

    @property
    def text(self) -> str:
        body = dedent(self.cell).strip("\n")
        head = "" if "# tune:" in body else HEAD
        body += "\nseen = repr(seen)"
        done = "\nscore = float(lr * 10 + k)  # tune: maximize\n" if self.marked else "\n"
        return head + body + done

    @property
    def before(self) -> str:
        return dedent(self.setup)


CELLS: list[Nasty] = []


def nasty(name: str, cell: str, setup: str = "", **more: object) -> None:
    CELLS.append(Nasty(name, cell, setup, **more))  # type: ignore[arg-type]


# --- objects of earlier cells, changed in place -------------------------------------------------

nasty("list appended", "xs.append(lr)\nseen = list(xs)", "xs = [1, 2]", probe="xs")
nasty(
    "list sorted in place", "xs.sort(reverse=k > 1)\nseen = list(xs)", "xs = [2, 3, 1]", probe="xs"
)
nasty("nested list", "xs[1].append(k)\nseen = repr(xs)", "xs = [1, [2]]", probe="xs")
nasty(
    "alias of a list",
    "ys.append(lr)\nseen = (list(xs), xs is ys)",
    "xs = [1]\nys = xs",
    probe="(xs, ys, xs is ys)",
)
nasty(
    "list that holds itself",
    "xs.append(k)\nseen = (len(xs), xs[0] is xs)",
    "xs = []\nxs.append(xs)",
    probe="(len(xs), xs[0] is xs)",
)
nasty("dict item", "d['lr'] = lr\nseen = dict(d)", "d = {'a': 1}", probe="d")
nasty("dict order", "d['a'] = d.pop('a')\nseen = list(d)", "d = {'a': 1, 'b': 2}", probe="list(d)")
nasty("dict deleted", "del d['a']\nseen = dict(d)", "d = {'a': 1, 'b': 2}", probe="d")
nasty("set", "s.add(k)\nseen = sorted(s)", "s = {1}", probe="s")
nasty(
    "deque that rotates",
    "q.rotate(k)\nq.append(lr)\nseen = list(q)",
    "from collections import deque\nq = deque([1, 2, 3], maxlen=3)",
    probe="list(q)",
)
nasty(
    "counter and defaultdict",
    "c.update('ab' * k)\ndd['x'].append(lr)\nseen = (dict(c), dict(dd))",
    "from collections import Counter, defaultdict\nc = Counter('a')\ndd = defaultdict(list)",
    probe="(c, dict(dd))",
)
nasty(
    "ordered dict",
    "od.move_to_end('a')\nseen = list(od)",
    "from collections import OrderedDict\nod = OrderedDict(a=1, b=2)",
    probe="list(od)",
)
nasty("bytearray", "b[0] = k\nb.extend(b'x')\nseen = bytes(b)", "b = bytearray(b'abc')", probe="b")
nasty(
    "array module",
    "a.append(k)\na[0] = 7\nseen = a.tolist()",
    "from array import array\na = array('i', [1, 2])",
    probe="a",
)
nasty(
    "array in place",
    "x *= lr\nseen = x.tolist()",
    "import numpy as np\nx = np.arange(4.0)",
    probe="x",
)
nasty(
    "array item through a view",
    "v[0] = lr\nseen = x.tolist()",
    "import numpy as np\nx = np.arange(4.0)\nv = x[::2]",
    probe="(x, v)",
)
nasty(
    "array view made in the cell",
    "x[1:3] += k\nx.T[0] = lr\nseen = x.tolist()",
    "import numpy as np\nx = np.arange(4.0)",
    probe="x",
)
nasty(
    "array reshaped in place",
    "x.shape = (2, 2)\nseen = x.shape",
    "import numpy as np\nx = np.arange(4.0)",
    probe="x",
)
nasty(
    "array of objects",
    "x[0].append(lr)\nx[1] = k\nseen = x.tolist()",
    "import numpy as np\nx = np.array([[1], 2, None], dtype=object)",
    probe="x.tolist()",
)
nasty(
    "array sorted and shuffled",
    "np.random.shuffle(x)\nfirst = x.tolist()\nx.sort()\nseen = (first, x.tolist())",
    "import numpy as np\nx = np.array([3.0, 1.0, 2.0])",
    probe="x",
)
nasty(
    "masked array",
    "m[0] = np.ma.masked\nm[1] = lr\nseen = m.tolist()",
    "import numpy as np\nm = np.ma.array([1.0, 2.0, 3.0], mask=[0, 0, 1])",
    probe="m.tolist()",
)
nasty(
    "structured array",
    "r['a'] += k\nseen = r.tolist()",
    "import numpy as np\nr = np.array([(1, 2.0)], dtype=[('a', int), ('b', float)])",
    probe="r.tolist()",
)
nasty(
    "read-only flag",
    "x.flags.writeable = True\nx[0] = lr\nseen = x.tolist()",
    "import numpy as np\nx = np.arange(3.0)\nx.flags.writeable = False",
    probe="(x, x.flags.writeable)",
)
nasty(
    "default argument mutated",
    "seen = f(k)",
    "def f(v, log=[]):\n    log.append(v)\n    return list(log)",
    probe="f.__defaults__",
)
nasty(
    "default argument of a method",
    "seen = T().f(k)",
    "class T:\n    def f(self, v, log={}):\n        log[v] = 1\n        return dict(log)",
    probe="T.f.__defaults__",
)
nasty(
    "keyword default",
    "seen = f(v=k)",
    "def f(*, v, log=[]):\n    log.append(v)\n    return list(log)",
    probe="f.__kwdefaults__",
)
nasty(
    "attribute of a function",
    "f.calls += k\nseen = f.calls",
    "def f(): ...\nf.calls = 0",
    probe="f.calls",
)
nasty(
    "class attribute",
    "Count.n += k\nseen = Count.n",
    "class Count:\n    n = 0",
    probe="Count.n",
)
nasty(
    "class attribute through an instance's method",
    "c.bump(lr)\nseen = (Count.n, list(Count.log))",
    """
    class Count:
        n = 0
        log = []
        def bump(self, v):
            type(self).n += 1
            self.log.append(v)
    c = Count()
    """,
    probe="(Count.n, Count.log)",
)
nasty(
    "new class attribute",
    "Box.extra = lr\nseen = sorted(n for n in vars(Box) if n[0] != '_')",
    "class Box:\n    a = 1",
    probe="hasattr(Box, 'extra')",
)
nasty(
    "inherited class attribute",
    "Child.items.append(k)\nseen = Parent.items[:]",
    "class Parent:\n    items = []\nclass Child(Parent): ...",
    probe="Parent.items",
)
nasty(
    "instance attribute",
    "o.v += lr\no.w = k\nseen = vars(o).copy()",
    "class O:\n    def __init__(self): self.v = 1\no = O()",
    probe="vars(o)",
)
nasty(
    "slots",
    "p.a = lr\np.b.append(k)\nseen = (p.a, list(p.b))",
    """
    from dataclasses import dataclass
    @dataclass(slots=True)
    class P:
        a: float
        b: list
    p = P(1.0, [])
    """,
    probe="p",
)
nasty(
    "frozen dataclass that is forced",
    "object.__setattr__(p, 'a', lr)\nseen = p.a",
    "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass P:\n"
    "    a: float\np = P(1.0)",
    probe="p",
)
nasty(
    "named tuple of lists",
    "t.xs.append(k)\nseen = list(t.xs)",
    "from collections import namedtuple\nT = namedtuple('T', 'xs')\nt = T([1])",
    probe="t",
)
nasty(
    "closure with nonlocal",
    "for _ in range(k): n = inc()\nseen = n",
    """
    def counter():
        n = 0
        def inc():
            nonlocal n
            n += 1
            return n
        return inc
    inc = counter()
    """,
    probe="inc.__closure__[0].cell_contents",
)
nasty(
    "two closures on one cell",
    "put(lr)\nseen = get()",
    """
    def pair():
        box = [0]
        def put(v): box.append(v)
        def get(): return list(box)
        return put, get
    put, get = pair()
    """,
    probe="get()",
)
nasty(
    "partial with a mutable argument",
    "p(k)\nseen = list(p.args[0])",
    "from functools import partial\np = partial(list.append, [0])",
    probe="p.args",
)
nasty(
    "bound method kept in a variable",
    "add(k)\nseen = list(add.__self__)",
    "add = [].append",
    probe="add.__self__",
)
nasty(
    "lru_cache that remembers a tuned value",
    "seen = (f(1), f.cache_info().currsize)",
    "from functools import lru_cache\n@lru_cache\ndef f(x): return x * globals_lr()\n"
    "def globals_lr(): return lr",
    probe="f.cache_info().currsize",
)
nasty(
    "unbounded cache with entries",
    "f(k).append(lr)\nseen = (f(0)[:], f(k)[:])",
    "from functools import cache\n@cache\ndef f(x): return [x]\nf(0)",
    probe="f(0)",
)
nasty(
    "cached_property",
    "seen = (o.v, 'v' in vars(o))",
    """
    from functools import cached_property
    class O:
        @cached_property
        def v(self): return lr
    o = O()
    """,
    probe="vars(o)",
)
nasty(
    "state hidden from pickle",
    "h.cache.append(lr)\nseen = list(h.cache)",
    """
    class Hidden:
        def __init__(self): self.cache = []
        def __getstate__(self): return {}
        def __eq__(self, other): return True
        __hash__ = None
    h = Hidden()
    """,
    probe="h.cache",
)
nasty(
    "object that cannot be pickled or copied",
    "o.v = k\nseen = o.v",
    """
    class O:
        v = 0
        def __reduce_ex__(self, p): raise TypeError('no')
        def __deepcopy__(self, memo): raise TypeError('no')
    o = O()
    o.f = lambda: 1
    """,
    probe="vars(o).get('v')",
)
nasty(
    "attributes behind a property and __setattr__",
    "o.v = lr\nseen = o.v",
    """
    class O:
        def __init__(self): object.__setattr__(self, '_d', {'v': 0})
        def __getattr__(self, n): return self._d[n]
        def __setattr__(self, n, v): self._d[n] = v
    o = O()
    """,
    probe="o._d",
)
nasty(
    "dict that is its own attributes",
    "a.x = lr\na['y'] = k\nseen = dict(a)",
    """
    class Attr(dict):
        def __init__(self, **k):
            super().__init__(**k)
            self.__dict__ = self
    a = Attr(x=1)
    """,
    probe="dict(a)",
)
nasty(
    "subclass of list with attributes",
    "l.append(k)\nl.note = lr\nseen = (list(l), l.note)",
    "class L(list):\n    note = None\nl = L([1])",
    probe="(list(l), l.note)",
)
nasty(
    "class of an object changed",
    "o.__class__ = B\nseen = type(o).__name__",
    "class A: ...\nclass B: ...\no = A()",
    probe="type(o).__name__",
)
nasty(
    "random generators of one's own",
    "seen = (r.random(), g.normal(), rs.rand(), [r.random() for _ in range(k)])",
    "import random, numpy as np\nr = random.Random(1)\ng = np.random.default_rng(2)\n"
    "rs = np.random.RandomState(3)",
    probe="(r.random(), g.random(), rs.rand())",
)
nasty(
    "iterator consumed",
    "seen = [next(it) for _ in range(k)]",
    "it = iter([1, 2, 3, 4])",
    probe="next(it)",
)
nasty(
    "zip and enumerate consumed",
    "next(z)\nseen = (next(z), next(e))",
    "z = zip('abcdef', range(9))\ne = enumerate('xyz')",
    probe="(next(z), next(e))",
)
nasty(
    "iterator over a list that grows",
    "xs.append(k)\nseen = list(it)",
    "xs = [1]\nit = iter(xs)",
    probe="list(it)",
)
nasty(
    "itertools.count",
    "seen = [next(ids) for _ in range(k)]",
    "from itertools import count\nids = count(5)",
    probe="next(ids)",
)
nasty(
    "iterator inside an object",
    "seen = o.take()",
    """
    class O:
        def __init__(self): self.it = iter(range(9))
        def take(self): return next(self.it)
    o = O()
    """,
    probe="o.take()",
)
nasty(
    "iterator of one's own class",
    "seen = [next(it) for _ in range(k)]",
    """
    class It:
        n = 0
        def __iter__(self): return self
        def __next__(self):
            self.n += 1
            return self.n
    it = It()
    """,
    probe="it.n",
)
nasty(
    "generator consumed",
    "seen = [next(g) for _ in range(1)]",
    "g = (i * i for i in range(1, 9))",
    known="a generator of an earlier cell cannot be wound back: the study says so",
)
nasty(
    "text file that was being read",
    "seen = fh.readline()",
    "import io\nfh = io.StringIO('a\\nb\\nc\\n')\nfh.readline()",
    probe="fh.readline()",
)
nasty(
    "file on disk that was being read",
    "seen = fh.readline()",
    "fh = open('lines.txt')",
    files={"lines.txt": "a\nb\nc\n"},
    probe="fh.readline()",
)
nasty(
    "sqlite in memory",
    "db.execute('insert into t values (?)', (lr,))\n"
    "seen = db.execute('select count(*), max(v) from t').fetchall()",
    "import sqlite3\ndb = sqlite3.connect(':memory:')\ndb.execute('create table t(v)')\n"
    "db.commit()",
    probe="db.execute('select count(*) from t').fetchall()",
)
nasty(
    "exception kept in a variable",
    "e.args = (lr,)\nseen = e.args",
    "e = ValueError(1)",
    probe="e.args",
)
nasty(
    "weak references",
    "cache[o] = lr\nseen = len(cache)",
    "import weakref\nclass O: ...\no = O()\ncache = weakref.WeakKeyDictionary()",
    probe="len(cache)",
)
nasty(
    "context variable",
    "v.get().append(lr)\nseen = list(v.get())",
    "from contextvars import ContextVar\nv = ContextVar('v')\nv.set([1])",
    probe="v.get()",
)
nasty(
    "enum member's list",
    "E.A.value.append(k)\nseen = list(E.A.value)",
    "from enum import Enum\nclass E(Enum):\n    A = [1]",
    probe="E.A.value",
)

# --- tables and estimators ----------------------------------------------------------------------

FRAME = (
    "import numpy as np, pandas as pd\ndf = pd.DataFrame({'a': [1.0, 2.0, 3.0], 'b': list('xyz')})"
)

nasty("frame column added", "df['c'] = df.a * lr\nseen = df.to_dict()", FRAME, probe="df.to_dict()")
nasty("frame cell set", "df.loc[0, 'a'] = lr\nseen = df.a.tolist()", FRAME, probe="df.to_dict()")
nasty("frame column popped", "df.pop('b')\nseen = list(df)", FRAME, probe="list(df)")
nasty("frame column deleted", "del df['a']\nseen = list(df)", FRAME, probe="list(df)")
nasty("frame renamed", "df.columns = ['u', 'v']\nseen = list(df)", FRAME, probe="list(df)")
nasty(
    "frame index set",
    "df.index = [k, 5, 6]\ndf.index.name = 'n'\nseen = (df.index.tolist(), df.index.name)",
    FRAME,
    probe="(df.index.tolist(), df.index.name)",
)
nasty(
    "frame name of the index",
    "df.index.name = 'n'\nseen = df.index.name",
    FRAME,
    probe="df.index.name",
)
nasty("frame values in place", "df['a'] *= lr\nseen = df.a.tolist()", FRAME, probe="df.to_dict()")
nasty("frame row added", "df.loc[len(df)] = [lr, 'w']\nseen = len(df)", FRAME, probe="len(df)")
nasty("frame inserted", "df.insert(0, 'z', k)\nseen = list(df)", FRAME, probe="list(df)")
nasty("frame attributes", "df.attrs['lr'] = lr\nseen = df.attrs.copy()", FRAME, probe="df.attrs")
nasty(
    "frame filled in place",
    "s.fillna(lr, inplace=True)\nseen = s.tolist()",
    "import pandas as pd\ns = pd.Series([1.0, None])",
    probe="s.tolist()",
)
nasty(
    "series through numpy",
    "x[0] = lr\nseen = (x.tolist(), s.tolist())",
    "import numpy as np, pandas as pd\nx = np.arange(3.0)\ns = pd.Series(x, copy=False)",
    probe="(x.tolist(), s.tolist())",
)
nasty(
    "categorical and dates",
    "c.iloc[0] = 'v'\nt.iloc[0] = pd.Timestamp('2021-01-01')\nseen = (c.tolist(), t.tolist())",
    "import pandas as pd\nc = pd.Series(pd.Categorical(['u', 'v']))\n"
    "t = pd.Series(pd.to_datetime(['2020-01-01', '2020-01-02']))",
    probe="(c.tolist(), t.tolist())",
)
nasty(
    "nullable integers",
    "n.iloc[0] = k\nseen = n.tolist()",
    "import pandas as pd\nn = pd.Series([1, None], dtype='Int64')",
    probe="n.tolist()",
)
nasty(
    "frame with an index of levels",
    "m['z'] = lr\nm.loc[('a', 1), 'x'] = k\nseen = m.to_dict()",
    "import pandas as pd\nm = pd.DataFrame({'x': [1, 2]}, index=pd.MultiIndex.from_tuples("
    "[('a', 1), ('b', 2)]))",
    probe="m.to_dict()",
)
nasty(
    "sparse matrix",
    "m.data *= lr\nm.eliminate_zeros()\nseen = m.toarray().tolist()",
    "from scipy import sparse\nm = sparse.csr_matrix([[1.0, 0.0], [2.0, 3.0]])",
    probe="m.toarray().tolist()",
)
nasty(
    "sparse matrix of lists",
    "m[0, 1] = lr\nseen = m.toarray().tolist()",
    "from scipy import sparse\nm = sparse.lil_matrix([[1.0, 0.0], [2.0, 3.0]])",
    probe="m.toarray().tolist()",
)

DATA = (
    "import numpy as np\nX = np.random.RandomState(0).rand(40, 3)\n"
    "y = (X[:, 0] + X[:, 1] > 1).astype(int)\n"
)

nasty(
    "estimator fitted in place",
    "model.C = lr + 0.1\nmodel.fit(X, y)\n"
    "seen = (model.coef_.tolist(), hasattr(model, 'classes_'))",
    DATA + "from sklearn.linear_model import LogisticRegression\nmodel = LogisticRegression()",
    probe="(model.C, hasattr(model, 'coef_'))",
)
nasty(
    "warm start",
    "model.set_params(eta0=lr + 0.01)\nmodel.partial_fit(X, y)\nseen = model.coef_.tolist()",
    DATA + "from sklearn.linear_model import SGDClassifier\n"
    "model = SGDClassifier(learning_rate='constant', eta0=0.1, warm_start=True, random_state=0)\n"
    "model.partial_fit(X, y, classes=[0, 1])",
    probe="model.coef_.tolist()",
)
nasty(
    "warm start of a forest",
    "model.n_estimators += k\nmodel.fit(X, y)\nseen = model.predict_proba(X[:5]).tolist()",
    DATA + "from sklearn.ensemble import RandomForestClassifier\n"
    "model = RandomForestClassifier(2, warm_start=True, random_state=0).fit(X, y)",
    probe="(model.n_estimators, len(model.estimators_), model.predict_proba(X[:5]).tolist())",
)
nasty(
    "fitted pipeline",
    "pipe.set_params(svc__C=lr + 0.1)\npipe.fit(X * k, y)\nseen = pipe.predict(X).tolist()",
    DATA + "from sklearn.pipeline import make_pipeline\nfrom sklearn.preprocessing import "
    "StandardScaler\nfrom sklearn.svm import SVC\npipe = make_pipeline(StandardScaler(), SVC())"
    ".fit(X, y)",
    probe="(pipe.predict(X).tolist(), pipe[0].mean_.tolist())",
)
nasty(
    "tree refitted",
    "tree.max_depth = k\ntree.fit(X, y)\nseen = (tree.get_depth(), tree.predict(X).tolist())",
    DATA + "from sklearn.tree import DecisionTreeClassifier\n"
    "tree = DecisionTreeClassifier(random_state=0).fit(X, y)",
    probe="(tree.get_depth(), tree.predict(X).tolist())",
)
nasty(
    "scaler fitted bit by bit",
    "sc.partial_fit(X * k)\nseen = sc.mean_.tolist()",
    DATA + "from sklearn.preprocessing import StandardScaler\nsc = StandardScaler().partial_fit(X)",
    probe="(sc.mean_.tolist(), int(sc.n_samples_seen_))",
)
nasty(
    "unseeded estimator",
    "m = SGDClassifier(alpha=lr + 1e-3).fit(X, y)\nseen = m.coef_.tolist()",
    DATA + "from sklearn.linear_model import SGDClassifier",
)
nasty(
    "train and test split, unseeded, before the first use",
    "a, b = train_test_split(X)\nseen = (a[0].tolist(), lr, np.random.rand())",
    DATA + "from sklearn.model_selection import train_test_split",
)

# --- leading work that is used again ------------------------------------------------------------

nasty(
    "leading list changed later",
    "xs = make(3)\nxs.append(lr)\nseen = list(xs)",
    "def make(n): return list(range(n))",
)
nasty(
    "leading array changed later",
    "x = np.arange(5.0)\nx *= lr\nx[0] += k\nseen = x.tolist()",
    "import numpy as np",
)
nasty(
    "leading array seen through a view",
    "x = np.zeros((3, 3))\nd = x[1]\nd += lr\nseen = x.tolist()",
    "import numpy as np",
)
nasty(
    "big leading array changed later",
    "x = np.ones(300_000)\nx[::2] *= lr\nseen = (float(x.sum()), float(x[0]))",
    "import numpy as np",
)
nasty(
    "leading frame given columns later",
    "df = pd.DataFrame({'a': range(4)})\ndf['b'] = df.a * lr\ndf.loc[0, 'a'] = k\n"
    "seen = df.to_dict()",
    "import pandas as pd",
)
nasty(
    "leading model fitted later",
    "m = SVC()\nm.C = lr + 0.1\nm.fit(X, y)\nseen = (m.C, m.predict(X).tolist())",
    DATA + "from sklearn.svm import SVC",
)
nasty(
    "leading closure",
    """
    def counter():
        n = [0]
        def inc():
            n[0] += k
            return n[0]
        return inc
    inc = counter()
    seen = (inc(), inc())
    """,
)
nasty(
    "leading class with state",
    """
    class Acc:
        total = 0
        def add(self, v):
            Acc.total += v
            return Acc.total
    a = Acc()
    seen = (a.add(lr), a.add(k))
    """,
)
nasty("leading generator", "g = (i for i in range(9))\nseen = [next(g) for _ in range(k)]")
nasty("leading iterator", "it = iter('abcdef')\nseen = [next(it) for _ in range(k)]")
nasty(
    "leading file left open",
    "fh = open('lines.txt')\nfirst = fh.readline()\nseen = (first, fh.readline() * k)\nfh.close()",
    files={"lines.txt": "a\nb\nc\n"},
)
nasty(
    "leading lock and thread",
    "import threading\nbox = []\nt = threading.Thread(target=box.append, args=(1,))\nt.start()\n"
    "t.join()\nbox.append(k)\nseen = list(box)",
)
nasty(
    "leading thread that goes on",
    """
    import threading
    go, box = threading.Event(), []
    t = threading.Thread(target=lambda: (go.wait(), box.append(1)))
    t.start()
    box.append(lr)
    go.set()
    t.join()
    seen = list(box)
    """,
)
nasty(
    "leading sqlite in memory",
    """
    import sqlite3
    db = sqlite3.connect(':memory:')
    db.execute('create table t(v)')
    db.execute('insert into t values (?)', (lr,))
    seen = db.execute('select v from t').fetchall()
    """,
)
nasty(
    "leading lru_cache",
    """
    from functools import lru_cache
    @lru_cache(maxsize=4)
    def f(x): return [x]
    f(0)
    f(0).append(lr)
    seen = (f(0)[:], f(k)[:])
    """,
)
nasty(
    "leading decimal context",
    "import decimal\ndecimal.getcontext().prec = 5\na = decimal.Decimal(1) / 3\n"
    "decimal.getcontext().prec = 5 + k\nseen = (str(a), str(decimal.Decimal(1) / 3))",
    settings=True,
    probe="__import__('decimal').getcontext().prec",
)
nasty(
    "leading alias broken later",
    "a = [1]\nb = a\nif k > 1:\n    b = list(a)\nb.append(lr)\nseen = (a[:], b[:], a is b)",
)
nasty(
    "leading object with a reference to an earlier one",
    "w = Wrap(xs)\nw.xs.append(lr)\nseen = (list(xs), w.xs is xs)",
    "xs = [1]\nclass Wrap:\n    def __init__(self, xs): self.xs = xs",
    probe="xs",
)
nasty(
    "earlier object changed by leading work",
    "xs.append('lead')\nys = xs[:]\nxs.append(lr)\nseen = (xs[:], ys)",
    "xs = [1]",
    probe="xs",
)
nasty(
    "earlier object rebound and changed",
    "xs.append(0)\nxs = xs + [1]\nxs.append(lr)\nseen = xs[:]",
    "xs = [5]\nkept = xs",
    probe="(xs, kept, xs is kept)",
)
nasty(
    "seed set before the first read",
    "np.random.seed(3)\na = np.random.rand()\nseen = (a, np.random.rand() * lr, np.random.rand())",
    "import numpy as np",
)
nasty(
    "seed set after the first read",
    "a = np.random.rand()\nb = lr\nnp.random.seed(k)\nseen = (a, b, np.random.rand())",
    "import numpy as np",
)
nasty(
    "python's random before and after",
    "a = random.random()\nseen = (a, random.random() * lr, random.choice('abcdef'))",
    "import random\nrandom.seed(5)",
)
nasty(
    "generator seeded in the leading part",
    "g = np.random.default_rng(1)\na = g.random()\nseen = (a, g.random() * lr, g.random())",
    "import numpy as np",
)
nasty(
    "environment, directory and filters set by leading work",
    "import os, warnings\nos.environ['HP_LEAD'] = '1'\nos.chdir('..')\n"
    "warnings.simplefilter('ignore')\na = lr\nseen = (os.environ.get('HP_LEAD'), "
    "warnings.filters[0][0], os.environ.pop('HP_LEAD'))",
    settings=True,
    probe="__import__('os').environ.get('HP_LEAD')",
)
nasty(
    "numpy and pandas settings",
    "np.seterr(all='ignore')\nnp.set_printoptions(precision=2)\n"
    "pd.set_option('display.width', 33)\n"
    "a = repr(np.array([lr / 3]))\nnp.set_printoptions(precision=k)\n"
    "seen = (a, repr(np.array([1 / 3])), pd.get_option('display.width'), np.geterr()['divide'])",
    "import numpy as np, pandas as pd",
    settings=True,
    probe="(np.geterr(), np.get_printoptions()['precision'], pd.get_option('display.width'))",
)
nasty(
    "scikit-learn's settings",
    "sklearn.set_config(assume_finite=True)\na = lr\n"
    "seen = sklearn.get_config()['assume_finite']\nsklearn.set_config(assume_finite=k > 1)",
    "import sklearn",
    settings=True,
    probe="sklearn.get_config()['assume_finite']",
)

# --- reading a tuned value by side ways ---------------------------------------------------------

nasty("helper reads a global", "a = 1\nseen = helper()", "def helper(): return lr * 2")
nasty(
    "helper of a helper, through a dict",
    "seen = table['f']()",
    "def inner(): return lr\ndef outer(): return inner()\ntable = {'f': outer}",
)
nasty(
    "method of an object reads a global",
    "o = O()\nseen = o.go()",
    "class O:\n    def go(self): return lr + k",
)
nasty(
    "property and __call__ read globals",
    "o = O()\nseen = (o.p, o())",
    "class O:\n    @property\n    def p(self): return lr\n    def __call__(self): return k",
)
nasty(
    "callback inside a transformer",
    "seen = t.fit_transform([[1.0]]).tolist()",
    "from sklearn.preprocessing import FunctionTransformer\n"
    "def scale(x): return [[v * lr for v in row] for row in x]\n"
    "import numpy as np\nt = FunctionTransformer(lambda x: np.asarray(scale(x)))",
)
nasty("globals()", "a = globals()['lr']\nseen = (a, globals().get('k'))")
nasty("eval", "e = 'l' + 'r'\nseen = (eval(e), eval('k + 1'))")
nasty("exec that writes", "exec('m = lr * 2\\nk = k + 1')\nseen = (m, k)")
nasty("vars of the module", "import __main__\nseen = sorted(n for n in ('lr', 'k') if n in vars())")
nasty(
    "helper with globals()",
    "a = 2\nseen = peek('lr')",
    "def peek(name): return globals()[name]",
)
nasty("name checked for", "seen = ('lr' in globals(), 'k' in dir())")
nasty("formatted name", "seen = f'{lr:.2f}/{k}'")
nasty(
    "frame query",
    "df = pd.DataFrame({'a': [0.0, 0.3, 1.0]})\nq = 'a > @lr'\nseen = len(df.query(q))",
    "import pandas as pd",
)
nasty(
    "frame looked at from inside",
    "import sys\nseen = sys._getframe().f_globals['lr']",
)
nasty("default argument takes the value", "def f(x=lr): return x\nlr = 5.0\nseen = f()\nlr = 0.0")
nasty("lambda kept for later", "f = lambda: lr * k\na = [1, 2]\nseen = (f(), a)")
nasty(
    "comprehension and generator expression",
    "g = (lr * i for i in range(3))\nseen = (list(g), [k for _ in range(2)])",
)
nasty("class body", "class C:\n    rate = lr\n    n = [k]\nseen = (C.rate, C.n)")
nasty(
    "class body of a decorated class",
    "def deco(c):\n    c.made = lr\n    return c\n@deco\nclass C: ...\nseen = C.made",
)
nasty("decorated function", "def deco(f): return f()\n@deco\ndef v(): return lr\nseen = v")
nasty("global statement", "def f():\n    global lr\n    lr = lr + 1\nf()\nseen = lr\nlr = 0.5")
nasty("value deleted", "a = 1\nx = lr\ndel lr\nseen = (x, 'lr' in globals())\nlr = 0.5")
nasty("value overwritten before use", "lr = 2.0\nseen = lr")
nasty("value increased in place", "a = 1\nk += 1\nseen = (k, lr)")
nasty(
    "conditional read",
    "a = [0]\nif k > 1:\n    a.append(lr)\nelse:\n    a.append(-1)\nb = a * 2\nseen = (a, b)",
)
nasty(
    "read in only one branch of a try",
    "try:\n    v = 1 / (k - 1)\nexcept ZeroDivisionError:\n    v = lr\nseen = v",
)
nasty(
    "read after a loop that ends early", "for i in range(9):\n    if i * 0.2 > lr: break\nseen = i"
)
nasty("while on a tuned value", "n = 0\nwhile n < k:\n    n += 1\nseen = n")
nasty("with statement", "import contextlib\nwith contextlib.nullcontext(lr) as v:\n    seen = v")
nasty("walrus", "seen = [(m := k), m + 1]")
nasty("match statement", "match k:\n    case 1: seen = 'one'\n    case _: seen = lr")
nasty(
    "star import over a tuned name",
    "from settings import *\nseen = (lr, extra)",
    files={"settings.py": "lr = 9.0\nextra = 1\n"},
)
nasty(
    "name of a builtin",
    "max = 3  # tune: int(1, 5)\nlr = 0.1  # tune: uniform(0, 1)\n"
    "k = 1  # tune: int(1, 3)\nxs = [1, 2]\nseen = (max, lr)",
)
nasty(
    "tuned name that an earlier cell had",
    "a = 1\nseen = show()",
    "lr = 77.0\ndef show(): return lr",
    probe="lr",
)
nasty(
    "value drawn inside a function",
    """
    lr = 0.1  # tune: uniform(0, 1)
    def build():
        k = 1  # tune: int(1, 3)
        return [k, lr]
    data = [1, 2, 3]
    k = 2
    seen = build() + data
    data.append(build())
    """,
)
nasty(
    "value drawn in a keyword argument",
    """
    lr = 0.1  # tune: uniform(0, 1)
    base = dict(a=[1])
    made = dict(
        k=1,  # tune: int(1, 3)
        base=base,
    )
    made['base']['a'].append(lr)
    k = made['k']
    seen = (k, base)
    """,
)
nasty(
    "value drawn only in one branch",
    """
    k = 1  # tune: int(1, 3)
    data = [0]
    if k > 1:
        lr = 0.1  # tune: uniform(0, 1)
    else:
        lr = 0.9
    data.append(lr)
    seen = (data, k)
    """,
)
nasty(
    "value drawn in a loop, under two names",
    """
    k = 1  # tune: int(1, 3)
    lr = 0.1  # tune: uniform(0, 1)
    xs = []
    for i in range(2):
        u = 3  # tune: int(1, 9), name="u_{i}"
        xs.append(u + i)
    seen = (xs, k)
    """,
)

# --- what a trial does to the process and to libraries ------------------------------------------

nasty(
    "monkeypatched module function",
    "math.sqrt = lambda v: v * lr\nseen = math.sqrt(4)",
    "import math",
    probe="math.sqrt(4)",
)
nasty(
    "monkeypatched in the cell that imports",
    "import statistics\nold = statistics.mean([1, 2])\nstatistics.mean = lambda v: lr\n"
    "seen = (old, statistics.mean([1, 2]))",
    probe="__import__('statistics').mean([1, 2])",
)
nasty(
    "monkeypatched class of a library",
    "json.JSONEncoder.item_separator = ';' * k\nseen = json.JSONEncoder.item_separator",
    "import json",
    probe="json.JSONEncoder.item_separator",
)
nasty(
    "monkeypatched method of one's own class",
    "old = T().f()\nT.f = lambda self: lr\nseen = (old, T().f())",
    "class T:\n    def f(self): return 'old'",
    probe="T().f()",
)
nasty(
    "monkeypatched builtin",
    "import builtins\nbefore = len([1])\nbuiltins.len = lambda v: k\n"
    "seen = (before, len([1, 2, 3]))",
    settings=True,
    probe="len([1, 2])",
)
nasty(
    "state of a module of one's own",
    "mine.bump(lr)\nseen = (mine.COUNT, list(mine.LOG))",
    "import mine",
    files={
        "mine.py": "COUNT = 0\nLOG = []\ndef bump(v):\n    global COUNT\n    COUNT += 1\n"
        "    LOG.append(v)\n"
    },
    probe="(mine.COUNT, mine.LOG)",
)
nasty(
    "module of one's own imported in the cell",
    "import mine2\nmine2.bump(lr)\nmine2.bump(k)\nseen = (mine2.COUNT, list(mine2.LOG))",
    files={
        "mine2.py": "COUNT = 0\nLOG = []\ndef bump(v):\n    global COUNT\n    COUNT += 1\n"
        "    LOG.append(v)\n"
    },
)
nasty(
    "function of a module of one's own",
    "seen = bump(k)",
    "from mine3 import bump",
    files={"mine3.py": "SEEN = []\ndef bump(v):\n    SEEN.append(v)\n    return list(SEEN)\n"},
    probe="__import__('mine3').SEEN",
)
nasty(
    "logging",
    "import logging\nlog = logging.getLogger('mine')\nlog.setLevel(10 * k)\n"
    "logging.getLogger().setLevel(5)\nlg.setLevel(30)\n"
    "seen = (log.level, logging.getLogger().level, lg.level)",
    "import logging\nlg = logging.getLogger('earlier')",
    settings=True,
    probe="(logging.getLogger().level, lg.level)",
)
nasty(
    "files written and read",
    "from pathlib import Path\nPath('out.txt').write_text(str(lr))\n"
    "seen = Path('out.txt').read_text()",
)
nasty(
    "temporary file before the first read",
    "from pathlib import Path\nPath('tmp.txt').write_text('a')\nn = Path('tmp.txt').read_text()\n"
    "with open('tmp.txt', 'a') as fh: fh.write(str(k))\nseen = (n, Path('tmp.txt').read_text())",
)
nasty(
    "process started",
    "import subprocess, sys\no = subprocess.run(['echo', 'hi'], capture_output=True).stdout\n"
    "seen = (o, k)",
)
nasty(
    "exception in mid-prefix, caught",
    "try:\n    [][1]\nexcept IndexError as e:\n    n = str(e)\nseen = (n, lr)",
)
nasty(
    "exception that depends on a value",
    "xs = [1]\nxs.append(lr)\nif k == 3: raise ValueError(f'{len(xs)}')\nseen = xs[:]",
    "xs = []",
)
nasty(
    "exception after an earlier object was changed",
    "xs.append(k)\nif k == 2: 1 / 0\nseen = xs[:]",
    "xs = []",
    probe="xs",
)
nasty(
    "variable deleted that an earlier cell made",
    "del old\nseen = 'old' in globals()",
    "old = [1]",
    probe="old",
)
nasty(
    "print and display in the leading part",
    "print('lead')\nxs = [1]\nprint(lr)\nseen = xs",
)
nasty(
    "sys.path and recursion limit",
    "import sys\nsys.path.append('zzz')\nsys.setrecursionlimit(5000 + k)\nsys.argv.append('q')\n"
    "seen = (sys.path[-1], sys.getrecursionlimit(), sys.argv[-1])",
    settings=True,
    probe="('zzz' in __import__('sys').path, __import__('sys').getrecursionlimit())",
)
nasty(
    "matplotlib's settings",
    "matplotlib.rcParams['lines.linewidth'] = 7\na = lr\n"
    "matplotlib.rcParams['font.size'] = k\n"
    "seen = (matplotlib.rcParams['lines.linewidth'], matplotlib.rcParams['font.size'])",
    "import matplotlib",
    settings=True,
    probe="(matplotlib.rcParams['lines.linewidth'], matplotlib.rcParams['font.size'])",
)
nasty(
    "context variable set by leading work",
    "v.set([9])\na = lr\nv.get().append(k)\nseen = v.get()",
    "from contextvars import ContextVar\nv = ContextVar('v', default=None)",
    settings=True,
    probe="v.get()",
)
nasty(
    "metrics in the leading part",
    """
    lr = 0.1  # tune: uniform(0, 1)
    k = 1  # tune: int(1, 3)
    base = 0.5  # tune: metric
    for step in range(3):
        warm = step / 10  # tune: metric
    score = base + lr * k  # tune: maximize
    seen = (base, warm)
    """,
    marked=False,
)
nasty(
    "stages: each value used later than the one before",
    """
    a = [1, 2]
    b = [v * k for v in a]
    b.append('stage')
    c = b + [lr]
    a.append(len(c))
    seen = (a, b, c)
    """,
)
nasty(
    "stages that share an array",
    """
    x = np.arange(6.0)
    x[0] = k
    y = x
    y *= lr
    seen = (x.tolist(), y is x)
    """,
    "import numpy as np",
)
nasty(
    "vouched statement",
    HEAD + "data = load()  # tune: once\ndata.append(lr)\nseen = (data[:], k)",
    "def load(): return [1, 2]",
)
