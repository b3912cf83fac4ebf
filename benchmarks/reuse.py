"""What not doing the same work twice saves, side by side in one run.

    python benchmarks/reuse.py [--trials 50] [--only table,text] [--scale 1.0]

Every contender gets the same values in the same order, from the same random state, on one thread
of native code, in this process; results must be equal to the last bit. None of them logs anything.

*hpmagic* runs the cell as it stands. *whole* is the same cell as the objective of an Optuna study.
*careful* is what a careful person would write with Optuna: the data loaded outside the objective.
*ideal* does each piece of work once for each set of values that it depends on, and checks nothing.
For the grid there is also scikit-learn's `GridSearchCV` over a `Pipeline(memory=...)`.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np  # noqa: E402
import optuna  # noqa: E402

from hpmagic.execution.runner import KernelRunner  # noqa: E402
from hpmagic.language import parse_cell  # noqa: E402

optuna.logging.set_verbosity(optuna.logging.ERROR)

Values = dict[str, object]


@dataclass(frozen=True)
class Work:
    """A cell in pieces: what loads data, then stages with the names each one is first to use."""

    name: str
    tuned: str
    load: str
    stages: tuple[tuple[tuple[str, ...], str], ...]
    values: Callable[[int], list[Values]]
    before: str = ""
    prepare: Callable[[Path, float], Values] = lambda _, __: {}
    notes: list[str] = field(default_factory=list)

    @property
    def cell(self) -> str:
        parts = "".join(text for _, text in self.stages)
        return f"{self.tuned}{self.load}{parts}score = result  # tune: maximize\n"


def loguniform(name: str, low: float, high: float) -> Callable[[int], list[Values]]:
    def draw(count: int) -> list[Values]:
        rng = np.random.default_rng(0)
        return [{name: float(np.exp(rng.uniform(np.log(low), np.log(high))))} for _ in range(count)]

    return draw


def table(folder: Path, scale: float) -> Values:
    import pandas as pd

    rng = np.random.default_rng(0)
    x = rng.normal(size=(int(40_000 * scale), 60))
    frame = pd.DataFrame(x, columns=[f"x{i}" for i in range(60)])
    frame["y"] = (x[:, :5].sum(axis=1) + rng.normal(size=len(x)) > 0).astype(int)
    frame.to_csv(folder / "table.csv", index=False)
    return {"folder": str(folder)}


TABLE = Work(
    "table: csv, scaling, PCA, SGD",
    "alpha = 1e-4  # tune: loguniform(1e-6, 1e-1)\n",
    "frame = pd.read_csv(folder + '/table.csv')\n"
    "X, y = frame.drop(columns='y').to_numpy(), frame['y'].to_numpy()\n",
    (
        (
            (),
            "half = len(X) // 2\n"
            "scaler = StandardScaler().fit(X[:half])\n"
            "pca = PCA(20, random_state=0).fit(scaler.transform(X[:half]))\n"
            "Z = pca.transform(scaler.transform(X))\n",
        ),
        (
            ("alpha",),
            "model = SGDClassifier(alpha=alpha, max_iter=20, tol=None, random_state=0)\n"
            "model.fit(Z[:half], y[:half])\n"
            "result = model.score(Z[half:], y[half:])\n",
        ),
    ),
    loguniform("alpha", 1e-6, 1e-1),
    "import pandas as pd\nfrom sklearn.preprocessing import StandardScaler\n"
    "from sklearn.decomposition import PCA\nfrom sklearn.linear_model import SGDClassifier\n",
    table,
)


def texts(folder: Path, scale: float) -> Values:
    rng = np.random.default_rng(0)
    words = np.array([f"w{i}" for i in range(5000)])
    rank = 1.0 / np.arange(1, 5001)
    lines = []
    for label in rng.integers(0, 20, int(12_000 * scale)):
        chance = np.roll(rank, 50 * label)
        lines.append(f"{label}\t" + " ".join(rng.choice(words, 60, p=chance / chance.sum())))
    (folder / "texts.tsv").write_text("\n".join(lines))
    return {"folder": str(folder)}


TEXT = Work(
    "text: TF-IDF, linear SVM of 20 topics",
    "C = 1.0  # tune: loguniform(1e-2, 1e1)\n",
    "with open(folder + '/texts.tsv') as lines:\n"
    "    rows = [line.rstrip().split('\\t') for line in lines]\n"
    "labels, documents = [int(row[0]) for row in rows], [row[1] for row in rows]\n",
    (
        (
            (),
            "half = len(documents) // 2\n"
            "vectors = TfidfVectorizer(ngram_range=(1, 2), min_df=2).fit(documents[:half])\n"
            "train = vectors.transform(documents[:half])\n"
            "test = vectors.transform(documents[half:])\n",
        ),
        (
            ("C",),
            "model = LinearSVC(C=C, random_state=0).fit(train, labels[:half])\n"
            "result = model.score(test, labels[half:])\n",
        ),
    ),
    loguniform("C", 1e-2, 1e1),
    "from sklearn.feature_extraction.text import TfidfVectorizer\n"
    "from sklearn.svm import LinearSVC\n",
    texts,
)


def sales(folder: Path, scale: float) -> Values:
    import pandas as pd

    rng = np.random.default_rng(0)
    count = int(300_000 * scale)
    pd.DataFrame(
        {
            "shop": rng.integers(0, 300, count),
            "item": [f"i{i}" for i in rng.integers(0, 2000, count)],
            "day": rng.integers(0, 365, count),
            "price": rng.gamma(2.0, 10.0, count),
        }
    ).to_csv(folder / "sales.csv", index=False)
    return {"folder": str(folder)}


BOOSTING = Work(
    "pandas features, gradient boosting",
    "rate = 0.1  # tune: loguniform(1e-2, 1.0)\n",
    "sales = pd.read_csv(folder + '/sales.csv')\n",
    (
        (
            (),
            "sales['month'] = sales.day // 30\n"
            "by_shop = sales.groupby('shop').price.agg(['mean', 'std', 'count'])\n"
            "by_item = sales.groupby(['item', 'month']).price.median().rename('median')\n"
            "data = sales.join(by_shop, on='shop').join(by_item, on=['item', 'month'])\n"
            "data['rank'] = data.groupby('shop').price.rank(pct=True)\n"
            "X = data[['month', 'mean', 'std', 'count', 'median']].to_numpy()[::15]\n"
            "y = data['rank'].to_numpy()[::15]\n",
        ),
        (
            ("rate",),
            "model = HistGradientBoostingRegressor(\n"
            "    learning_rate=rate, max_iter=25, early_stopping=False, random_state=0\n"
            ").fit(X[::2], y[::2])\n"
            "result = model.score(X[1::2], y[1::2])\n",
        ),
    ),
    loguniform("rate", 1e-2, 1.0),
    "import pandas as pd\nfrom sklearn.ensemble import HistGradientBoostingRegressor\n",
    sales,
)


def points(_: Path, scale: float) -> Values:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(int(6000 * scale), 80))
    return {"X": x, "y": np.digitize(x[:, :3].prod(axis=1), (-1, -0.1, 0.1, 1))}


DEGREES, PARTS, STRENGTHS = (200, 300, 400), (20, 40, 60), (0.01, 0.1, 1.0, 10.0, 100.0)


def grid(count: int) -> list[Values]:
    return [{"wide": w, "parts": p, "C": c} for w in DEGREES for p in PARTS for c in STRENGTHS][
        :count
    ]


GRID = Work(
    "grid over a pipeline of three stages",
    f"wide = 200  # tune: choice{DEGREES}\nparts = 20  # tune: choice{PARTS}\n"
    f"C = 1.0  # tune: choice{STRENGTHS}\n",
    "half = len(X) // 2\n",
    (
        (("wide",), "kernel = Nystroem(n_components=wide, random_state=0).fit(X[:half])\n"
                    "A = kernel.transform(X)\n"),
        (("parts",), "pca = PCA(parts, svd_solver='full').fit(A[:half])\nB = pca.transform(A)\n"),
        (("C",), "model = LogisticRegression(C=C).fit(B[:half], y[:half])\n"
                 "result = model.score(B[half:], y[half:])\n"),
    ),
    grid,
    "from sklearn.kernel_approximation import Nystroem\nfrom sklearn.decomposition import PCA\n"
    "from sklearn.linear_model import LogisticRegression\n",
    points,
)  # fmt: skip


def matrices(_: Path, scale: float) -> Values:
    return {"rounds": int(240 * scale)}


SETUP = Work(
    "set-up six times as long as training",
    "step = 0.1  # tune: loguniform(1e-3, 1.0)\n",
    "",
    (
        (
            (),
            "base = np.random.default_rng(0).normal(size=(400, 400)) / 20\n"
            "world = base\n"
            "for _ in range(rounds):\n    world = np.tanh(world @ base)\n",
        ),
        (
            ("step",),
            "state = world\n"
            "for _ in range(rounds * 2 // 13):\n    state = np.tanh(state @ base - step * state)\n"
            "result = float(state.mean())\n",
        ),
    ),
    loguniform("step", 1e-3, 1.0),
    "import numpy as np\n",
    matrices,
)


def network(_: Path, scale: float) -> Values:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(int(20_000 * scale), 30))
    return {"X": x, "y": np.sin(x[:, :3]).sum(axis=1, keepdims=True)}


NETWORK = Work(
    "numpy network, nothing to reuse",
    "lr = 0.1  # tune: loguniform(1e-3, 1.0)\n",
    "",
    (
        (
            ("lr",),
            "rng = np.random.default_rng(1)\n"
            "W, V = rng.normal(size=(30, 32)) / 6, rng.normal(size=(32, 1)) / 6\n"
            "for step in range(40):\n"
            "    rows = rng.integers(0, len(X), 6000)\n"
            "    hidden = np.tanh(X[rows] @ W)\n"
            "    error = hidden @ V - y[rows]\n"
            "    back = error @ V.T * (1 - hidden**2)\n"
            "    V -= lr * hidden.T @ error / 6000\n"
            "    W -= lr * X[rows].T @ back / 6000\n"
            "result = -float((error**2).mean())\n",
        ),
    ),
    loguniform("lr", 1e-3, 1.0),
    "import numpy as np\n",
    network,
)

WORKS = {
    "table": TABLE,
    "text": TEXT,
    "boosting": BOOSTING,
    "grid": GRID,
    "setup": SETUP,
    "network": NETWORK,
}


def earlier(work: Work, folder: Path, scale: float) -> Values:
    """What earlier cells left: imports, and data that no cell loads."""
    namespace: Values = {"__name__": "__main__", **work.prepare(folder, scale)}
    exec(work.before, namespace)
    return namespace


def hpmagic(work: Work, values: list[Values], namespace: Values) -> list[float]:
    runner = KernelRunner(parse_cell(work.cell), namespace)
    results = []
    for chosen in values:
        outcome = runner.run(lambda p, chosen=chosen: chosen[p.name], lambda _: None)
        results.append(outcome.values["score"])
        if "reused" in outcome.notes:
            work.notes[:] = [outcome.notes["reused"]]
    runner.close()
    return results


def optuna_study(values: list[Values], objective: Callable[[Values], float]) -> list[float]:
    sampler = optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(sampler=sampler)
    for chosen in values:
        study.enqueue_trial(chosen)

    def one(trial: optuna.Trial) -> float:
        chosen = values[trial.number]
        for name in chosen:
            every = [v[name] for v in values]
            trial.suggest_float(name, min(every), max(every))
        return objective(chosen)

    study.optimize(one, n_trials=len(values))
    return [trial.value for trial in study.trials]


def whole(work: Work, values: list[Values], namespace: Values) -> list[float]:
    code = compile(work.load + "".join(text for _, text in work.stages), "<whole>", "exec")

    def objective(chosen: Values) -> float:
        local = {**namespace, **chosen}
        exec(code, local)
        return local["result"]

    return optuna_study(values, objective)


def careful(work: Work, values: list[Values], namespace: Values) -> list[float]:
    exec(work.load, loaded := dict(namespace))
    code = compile("".join(text for _, text in work.stages), "<careful>", "exec")

    def objective(chosen: Values) -> float:
        local = {**loaded, **chosen}
        exec(code, local)
        return local["result"]

    return optuna_study(values, objective)


def ideal(work: Work, values: list[Values], namespace: Values) -> list[float]:
    exec(work.load, loaded := dict(namespace))
    codes = [compile(text, "<ideal>", "exec") for _, text in work.stages]
    last = len(codes) - 1
    kept: dict[tuple[object, ...], Values] = {(): loaded}
    results = []
    for chosen in values:
        key: tuple[object, ...] = ()
        local = loaded
        for number, (names, _) in enumerate(work.stages):
            key = (*key, number, *(chosen[name] for name in names))
            if key not in kept:
                local = {**local, **chosen}
                exec(codes[number], local)
                if number < last:
                    kept[key] = local
            else:
                local = kept[key]
        results.append(local["result"])
    return results


def grid_search(values: list[Values], namespace: Values, folder: Path) -> list[float]:
    """scikit-learn's own, with its cache on disk; one split, as in the cell."""
    from sklearn.decomposition import PCA
    from sklearn.kernel_approximation import Nystroem
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import Pipeline

    x, y = namespace["X"], namespace["y"]
    half = len(x) // 2
    steps = [
        ("kernel", Nystroem(random_state=0)),
        ("pca", PCA(svd_solver="full")),
        ("model", LogisticRegression()),
    ]
    pipeline = Pipeline(steps, memory=str(folder / "cache"))
    lists = {
        "kernel__n_components": sorted({v["wide"] for v in values}),
        "pca__n_components": sorted({v["parts"] for v in values}),
        "model__C": sorted({v["C"] for v in values}),
    }
    split = [(np.arange(half), np.arange(half, len(x)))]
    search = GridSearchCV(pipeline, lists, cv=split, refit=False).fit(x, y)
    return list(search.cv_results_["mean_test_score"])


def timed(run: Callable[[], list[float]]) -> tuple[float, list[float]]:
    np.random.seed(0)
    begun = time.perf_counter()
    results = run()
    return time.perf_counter() - begun, results


def compare(work: Work, trials: int, scale: float, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        namespace = earlier(work, folder, scale)
        values = work.values(trials)
        runs: dict[str, Callable[[], list[float]]] = {
            "hpmagic": lambda: hpmagic(work, values, namespace),
            "whole": lambda: whole(work, values, namespace),
            "careful": lambda: careful(work, values, namespace),
            "ideal": lambda: ideal(work, values, namespace),
        }
        if work is GRID:
            runs["sklearn"] = lambda: grid_search(values, namespace, folder)
        ideal(work, values[:1], namespace)  # imports and first calls
        best: dict[str, float] = {}
        found: dict[str, list[float]] = {}
        for _ in range(rounds):
            for contender, run in runs.items():
                seconds, found[contender] = timed(run)
                best[contender] = min(seconds, best.get(contender, seconds))
    ours = best["hpmagic"]
    same = all(found["hpmagic"] == found[c] for c in ("whole", "careful", "ideal"))
    print(f"\n{work.name} ({len(values)} trials{'' if same else '; RESULTS DIFFER'})")
    print("  " + "  ".join(f"{c} {s:.2f} s" for c, s in best.items()))
    ratios = [f"{c} / hpmagic {best[c] / ours:.2f}" for c in best if c != "hpmagic"]
    print("  " + "  ".join(ratios))
    for note in work.notes:
        print(f"  {note}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--only", default=",".join(WORKS))
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=1, help="the least time of several counts")
    chosen = parser.parse_args()
    for name in chosen.only.split(","):
        compare(WORKS[name], chosen.trials, chosen.scale, chosen.rounds)


if __name__ == "__main__":
    main()
