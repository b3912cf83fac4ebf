"""Which tuner finds better values in fewer trials, on tasks that nobody here wrote.

    python benchmarks/quality.py [--half dev|report] [--form short|medium|long|subset] [...]

An engine sees what each trial observed. Its incumbent at a budget is the configuration with the
best observation so far, scored by its true mean: regret is 0 at the optimum and 1000 at the median
random configuration. Every engine runs with the person's default as trial 0 and, with ``--both``,
also without, so that the gain of the search and that of the default can be told apart. Engines that
plan for a number of trials run once a budget, the others once.

The short form is to take less than 15 minutes on two cores; which tasks a form has is said in
`quality_tasks`.

Tables give the mean over tasks with its standard error over seeds, the mean rank, and how often
``--against`` beats each of the others (a tie is half a win). Noise-free and noisy tasks are apart,
and so are those with branches. Tasks of the half "report" are for publishing: nothing is tuned on
them. The engines are in `quality_engines`.

Engines that cannot be installed side by side run one environment after the other, each leaving its
scores with ``--json``; ``--add`` brings them into the tables of a later run of the same tasks,
seeds and budgets.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"

import argparse
import json
import multiprocessing
import time
import zlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from quality_engines import ENGINES, Run
from quality_tasks import Config, load, task_names

GROUPS = {
    "noise-free": ("table", "bbob", "branches"),
    "noisy": ("noisy table", "noisy branches"),
    "branches": ("branches", "noisy branches"),
}
BUDGETS = {
    "short": (10, 25, 50),
    "medium": (10, 25, 50, 100),
    "long": (10, 25, 50, 100),
    "subset": (10, 25, 50),
}
SEEDS = {"short": 10, "medium": 10, "long": 20, "subset": 3}
SLOW = ("ax", "smac", "smac-1", "hebo", "skopt")
_USUALLY_OUT = ("bayes", "optuna-gp", *SLOW)
LEFT_OUT = {
    "short": _USUALLY_OUT,
    "medium": _USUALLY_OUT,
    "long": SLOW,
    "subset": ("bayes", "smac-1"),
}
"""Engines that have to be asked for: `auto` is `bayes` here, and some take a while."""
TARGETS = {"noise-free": 0.8, "noisy": 0.95}
"""The most that the mean regret of `auto` at up to 50 trials may be, in those of the best other."""
OURS = ("auto", "bayes")


class BudgetSpentError(BaseException):
    """Ends an engine from inside its objective."""


@dataclass(frozen=True)
class Score:
    """How one engine did on one task from one seed; ``milliseconds`` a suggestion."""

    task: str
    group: str
    engine: str
    seed: int
    default: bool
    regrets: dict[int, float]
    milliseconds: float


def one_run(
    task_name: str, engine_name: str, seed: int, budgets: Sequence[int], *, default: bool
) -> Score:
    """Run an engine on a task as often as its budgets ask for."""
    engine, task = ENGINES[engine_name], load(task_name)
    plans = [(b,) for b in budgets] if engine.uses_budget else [tuple(budgets)]
    regrets: dict[int, float] = {}
    spent, asked = 0.0, 0
    for marks in plans:
        noise = np.random.default_rng([seed, zlib.crc32(task_name.encode())])
        seen: list[tuple[float, Config]] = []
        inside = 0.0

        def evaluate(config: Config) -> float:
            nonlocal inside
            if len(seen) == marks[-1]:  # noqa: B023
                raise BudgetSpentError
            begun = time.perf_counter()
            cost = task.observe(config, noise)  # noqa: B023
            seen.append((cost, dict(config)))  # noqa: B023
            inside += time.perf_counter() - begun
            return cost

        begun = time.perf_counter()
        start = task.default if default else None
        with suppress(BudgetSpentError):
            engine.search(Run(task, marks[-1], seed, start, evaluate))
        spent += time.perf_counter() - begun - inside
        asked += len(seen)
        for mark in marks:
            incumbent = min(seen[:mark], key=lambda pair: pair[0])[1]
            regrets[mark] = task.regret(incumbent)
    return Score(
        task_name, task.group, engine_name, seed, default, regrets, 1000 * spent / max(asked, 1)
    )


def work(
    task: str, engine: str, seeds: Sequence[int], budgets: Sequence[int], default: bool
) -> list[Score]:
    return [one_run(task, engine, seed, budgets, default=default) for seed in seeds]


def added(files: Iterable[Path]) -> list[Score]:
    """The scores that earlier runs left."""
    rows = [row for file in files for row in json.loads(file.read_text())]
    return [
        Score(**row | {"regrets": {int(b): r for b, r in row["regrets"].items()}}) for row in rows
    ]


def fitting(
    scores: Iterable[Score], cells: set[tuple[str, int, bool]], budgets: Sequence[int]
) -> list[Score]:
    """Those of the given tasks, seeds and starts.

    Raises:
        ValueError: an engine lacks some of them, or has some twice.
    """
    chosen = [s for s in scores if (s.task, s.seed, s.default) in cells]
    for name in sorted({s.engine for s in chosen}):
        mine = [s for s in chosen if s.engine == name]
        whole = {(s.task, s.seed, s.default) for s in mine if set(budgets) <= set(s.regrets)}
        if whole != cells or len(mine) > len(cells):
            raise ValueError(f"the scores of {name} are not of these tasks, seeds and budgets")
    return chosen


def report(scores: Sequence[Score], budgets: Sequence[int], against: str) -> str:
    """The tables."""
    lines = []
    for default in sorted({s.default for s in scores}, reverse=True):
        for title, groups in GROUPS.items():
            chosen = [s for s in scores if s.group in groups and s.default is default]
            if chosen:
                tasks = len({s.task for s in chosen})
                seeds = len({s.seed for s in chosen})
                first = "default first" if default else "without the default"
                lines += [f"\n{title}: {tasks} tasks, {seeds} seeds, {first}"]
                lines += _table(chosen, budgets, against)
    return "\n".join(lines)


def _table(scores: Sequence[Score], budgets: Sequence[int], against: str) -> list[str]:
    engines = sorted({s.engine for s in scores}, key=list(ENGINES).index)
    cells = sorted({(s.task, s.seed) for s in scores})
    tasks = sorted({s.task for s in scores})
    by_key = {(s.engine, s.task, s.seed): s for s in scores}
    heads = [f"regret at {b}" for b in budgets] + ["mean rank"]
    if against in engines:
        heads += [f"{against} wins at {b}" for b in budgets]
    rows = [["engine", *heads, "ms"]]
    values = {
        b: np.array([[by_key[e, t, s].regrets[b] for t, s in cells] for e in engines])
        for b in budgets
    }
    ranks = np.mean([_ranks(values[b]) for b in budgets], axis=0).mean(axis=1)
    for index, engine in enumerate(engines):
        row = [engine]
        for budget in budgets:
            per_task = [
                [v for (t, _), v in zip(cells, values[budget][index], strict=True) if t == task]
                for task in tasks
            ]
            mean = np.mean([np.mean(v) for v in per_task])
            error = np.sqrt(sum(np.var(v, ddof=1) / len(v) if len(v) > 1 else 0 for v in per_task))
            row.append(f"{mean:.0f} +- {error / len(tasks):.0f}")
        row.append(f"{ranks[index]:.2f}")
        if against in engines:
            for budget in budgets:
                mine = values[budget][engines.index(against)]
                other = values[budget][index]
                wins = (mine < other - 1e-9).mean() + 0.5 * (np.abs(mine - other) <= 1e-9).mean()
                row.append("" if engine == against else f"{wins:.2f}")
        row.append(f"{np.median([s.milliseconds for s in scores if s.engine == engine]):.1f}")
        rows.append(row)
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows]


def verdicts(scores: Sequence[Score], budgets: Sequence[int]) -> list[str]:
    """What was aimed at, and whether it was reached, for `auto` with the default first."""
    lines = []
    scores = [s for s in scores if s.default]
    for title, groups in GROUPS.items():
        means, wins = _means(scores, groups, budgets)
        others = [engine for engine in means if engine not in OURS]
        if "auto" not in means or not others:
            continue
        for budget in budgets:
            best = min(others, key=lambda engine: means[engine][budget])
            ratio = means["auto"][budget] / means[best][budget]
            if title == "branches":
                best = "optuna-tpe" if "optuna-tpe" in means else best
                ratio, aim = means["auto"][budget] / means[best][budget], 1.0
            elif budget > 50:
                continue
            else:
                aim = TARGETS[title]
            lines.append(_verdict(f"{title} at {budget}: regret / that of {best}", ratio, aim))
            least = min(others, key=lambda engine: wins[engine][budget])
            if title != "branches":
                share = wins[least][budget]
                said = "met" if share >= 0.6 else "missed"
                lines.append(
                    f"{title} at {budget}: fewest wins {share:.2f}, over {least}; at least 0.60: "
                    f"{said}"
                )
    spent = [s.milliseconds for s in scores if s.engine == "auto"]
    if spent:
        lines.append(_verdict("median ms a suggestion", float(np.median(spent)), 50.0))
    return lines


def _verdict(what: str, figure: float, most: float) -> str:
    return f"{what}: {figure:.2f}; at most {most:g}: {'met' if figure <= most else 'missed'}"


def _means(
    scores: Sequence[Score], groups: Sequence[str], budgets: Sequence[int]
) -> tuple[dict[str, dict[int, float]], dict[str, dict[int, float]]]:
    """Mean regrets and win rates of `auto`, by engine and budget."""
    chosen = [s for s in scores if s.group in groups]
    by_key = {(s.engine, s.task, s.seed): s.regrets for s in chosen}
    cells = sorted({(s.task, s.seed) for s in chosen})
    means: dict[str, dict[int, float]] = {}
    wins: dict[str, dict[int, float]] = {}
    for engine in sorted({s.engine for s in chosen}, key=list(ENGINES).index):
        means[engine], wins[engine] = {}, {}
        for budget in budgets:
            theirs = np.array([by_key[engine, *cell][budget] for cell in cells])
            means[engine][budget] = float(theirs.mean())
            if ("auto", *cells[0]) in by_key:
                mine = np.array([by_key["auto", *cell][budget] for cell in cells])
                tied = np.abs(mine - theirs) <= 1e-9
                wins[engine][budget] = float(((mine < theirs) & ~tied).mean() + 0.5 * tied.mean())
    return means, wins


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks down the columns, ties shared."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(values.round(9), axis=0))


def by_task(scores: Sequence[Score], budget: int) -> str:
    """Mean regret of each engine on each task."""
    engines = sorted({s.engine for s in scores}, key=list(ENGINES).index)
    tasks = list(dict.fromkeys(s.task for s in scores))
    lines = ["", " " * 38 + "".join(e.rjust(14) for e in engines) + f"   at {budget}"]
    for task in sorted(tasks):
        row = []
        for engine in engines:
            mine = [s.regrets[budget] for s in scores if s.task == task and s.engine == engine]
            row.append(f"{np.mean(mine):14.1f}")
        lines.append(task.ljust(38) + "".join(row))
    return "\n".join(lines)


def find_scales(names: Iterable[str]) -> None:
    """Print, for tasks without a known optimum, the best of long searches and the random median."""
    from dataclasses import replace

    for name in names:
        task = load(name)
        if "branches" not in task.group:
            continue
        rng = np.random.default_rng(0)
        drawn = [task.truth(task.random(rng)) for _ in range(101)]
        quiet = replace(task, observe=lambda c, _: task.truth(c))  # noqa: B023
        best = min(drawn)
        for engine, budget in (("optuna-tpe", 200), ("bayes", 60)):
            for seed in (0, 1):
                lowest = [best]

                def evaluate(config: Config) -> float:
                    if len(lowest) > budget:  # noqa: B023
                        raise BudgetSpentError
                    lowest.append(quiet.observe(config, rng))  # noqa: B023
                    return lowest[-1]  # noqa: B023

                with suppress(BudgetSpentError):
                    ENGINES[engine].search(Run(quiet, budget, 100 + seed, quiet.default, evaluate))
                best = min(lowest)
        print(f'    "{name}": ({best:.6g}, {float(np.median(drawn)):.6g}),', flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--half", choices=["dev", "report"], default="dev")
    parser.add_argument("--form", choices=list(BUDGETS), default="short")
    parser.add_argument("--engines", nargs="*", choices=list(ENGINES))
    parser.add_argument("--seeds", type=int, help="how many (10; long: 20, subset: 3)")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--budgets", type=int, nargs="+")
    parser.add_argument(
        "--tasks", nargs="+", default=[""], help="only tasks whose name has one of these"
    )
    parser.add_argument("--both", action="store_true", help="also without the default as trial 0")
    parser.add_argument("--against", default="auto", help="whose win rates are shown")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--by-task", action="store_true")
    parser.add_argument("--json", type=Path, help="where to leave the scores")
    parser.add_argument(
        "--add", type=Path, nargs="+", default=[], help="scores left by --json, to be shown too"
    )
    parser.add_argument("--scales", action="store_true", help="find the scales of the trainings")
    options = parser.parse_args()

    names = [
        n
        for n in task_names(options.half, options.form)
        if any(part in n for part in options.tasks)
    ]
    if options.scales:
        find_scales(names)
        return
    engines = []
    asked = options.engines
    if asked is None:
        asked = [n for n in ENGINES if n not in LEFT_OUT[options.form]]
    for name in asked:
        if ENGINES[name].installed:
            engines.append(name)
        else:
            print(f"{name} is left out: {ENGINES[name].needs} is not installed")
    budgets = tuple(sorted(options.budgets or BUDGETS[options.form]))
    seeds = range(options.first_seed, options.first_seed + (options.seeds or SEEDS[options.form]))
    starts = (True, False) if options.both else (True,)
    cells = {(n, s, d) for n in names for s in seeds for d in starts}
    earlier = [score for score in added(options.add) if score.engine not in engines]
    try:
        scores = fitting(earlier, cells, budgets)
    except ValueError as error:
        parser.error(str(error))
    others = sorted({score.engine for score in scores}, key=list(ENGINES).index)
    if not engines and not others:
        return
    against = options.against if options.against in engines + others else (engines + others)[-1]
    begun = time.perf_counter()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.workers, mp_context=context) as pool:
        futures = [
            pool.submit(work, task, engine, seeds, budgets, default)
            for default in starts
            for task in reversed(names)
            for engine in engines
        ]
        for future in as_completed(futures):
            scores += future.result()
    scores.sort(key=lambda s: (not s.default, names.index(s.task), s.engine, s.seed))
    print(report(scores, budgets, against))
    if options.by_task:
        for budget in budgets:
            print(by_task([s for s in scores if s.default], budget))
    if lines := verdicts(scores, budgets):
        print("\nAims")
        print("\n".join(f"  {line}" for line in lines))
    print(f"\n{options.half} half, {options.form} form, {time.perf_counter() - begun:.0f} s")
    if options.json:
        options.json.write_text(json.dumps([asdict(score) for score in scores]))


if __name__ == "__main__":
    main()
