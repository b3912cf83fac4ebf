"""From a cell and a configuration to a study: everybody is introduced to everybody, once."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpmagic.engines.opening import check_options, open_engine
from hpmagic.engines.parcel import RunnerSpec
from hpmagic.engines.processes import cores
from hpmagic.errors import OptionError
from hpmagic.execution.earlier import default_limit
from hpmagic.execution.interrupt import InterruptGuard, held
from hpmagic.execution.ranges import known_space
from hpmagic.execution.reuse.forecast import forecast, reading_order
from hpmagic.hunches import resolve_tries
from hpmagic.language.cell import TunableCell
from hpmagic.loading import load_progress_bars
from hpmagic.options import StudyConfig
from hpmagic.plan import Plan, expected_trials
from hpmagic.pruning import OptunaPruner, Pruner, PrunerChoice, choose_pruner, has_curve
from hpmagic.records import Listener, Objective, Origin, StudyInfo, StudyRecord
from hpmagic.remarks import remarks_of
from hpmagic.replay import NOT_PUBLISHED, publish_best
from hpmagic.results import Study
from hpmagic.resume import NOTHING, Continuation, continuation
from hpmagic.space import SearchSpace
from hpmagic.stopping import Enough, enough_rule
from hpmagic.study import Limits, Planned, StudyResult, run_study
from hpmagic.tuners.base import Tuner, TunerContext, TunerInfo
from hpmagic.tuners.registry import get_tuner
from hpmagic.tuners.tree import ExecutionTree
from hpmagic.warmstart import WarmStart, earlier_studies

if TYPE_CHECKING:
    from hpmagic.tracking.resumption import Resumable

__all__ = [
    "DEFAULT_TRIALS",
    "Launched",
    "Prepared",
    "Setting",
    "launch",
    "plan_of",
    "prepare",
    "study_info",
]

DEFAULT_TRIALS = 30
"""Trials of a study that names no number, for tuners without a plan of their own."""


@dataclass(frozen=True)
class Setting:
    """Where a study runs: the person's namespace and shell, and who watches.

    ``head`` is what stands above the source in its cell.
    """

    namespace: MutableMapping[str, Any]
    shell: Any = None
    source_name: str = ""
    command: str = ""
    view: Callable[[StudyConfig], Listener] | None = None
    head: str = ""


@dataclass(frozen=True)
class Launched:
    """A study that has ended. ``error`` is what the person must see, if anything."""

    study: Study
    error: BaseException | None = None


@dataclass(frozen=True)
class Prepared:
    """What a study needs, chosen and checked; nothing has run."""

    cell: TunableCell
    config: StudyConfig
    objectives: tuple[Objective, ...]
    space: SearchSpace
    kind: TunerInfo
    tuner: Tuner
    tree: ExecutionTree
    plan: tuple[Planned, ...]
    trials: int | None
    seed: int
    pruner: PrunerChoice
    enough: Enough
    warm: WarmStart
    resumed: Resumable | None = None
    after: Continuation = NOTHING


def plan_of(cell: TunableCell, config: StudyConfig, setting: Setting) -> Plan:
    """What would run, without running anything."""
    ready = prepare(cell, config, setting, look=True)
    return Plan(
        cell=cell,
        space=ready.space,
        objectives=ready.objectives,
        tuner=ready.kind.name,
        trials=ready.trials,
        first=tuple((p.origin, dict(p.values)) for p in ready.plan),
        remarks=remarks_of(ready),
        course=() if config.fresh_trials else forecast(cell, setting.namespace),
        repeats=config.repeats or 1,
    )


def launch(cell: TunableCell, config: StudyConfig, setting: Setting) -> Launched:
    """Run a study to its end and put the best trial's variables into the namespace.

    Raises:
        HpmagicError: the cell, the options or the store cannot be used; nothing has run.
    """
    from hpmagic.tracking.detection import cell_uses_mlflow
    from hpmagic.tracking.store import check_store
    from hpmagic.tracking.writer import MlflowWriter

    load_progress_bars()
    ready = prepare(cell, config, setting)
    check_store()
    info = study_info(ready, setting)
    after = ready.after
    uses_mlflow = cell_uses_mlflow(cell.python, setting.namespace)
    writer = MlflowWriter(
        experiment=config.experiment,
        fallback_experiment=Path(setting.source_name).stem,
        uses_mlflow=uses_mlflow,
        resumed=ready.resumed,
        fresh=config.fresh,
    )
    view = setting.view(config) if setting.view else None
    pruner = _pruner(ready)
    try:
        with InterruptGuard() as interrupt:
            engine = open_engine(config, _spec(ready, setting), setting, ready.space, writer)
            try:
                result = run_study(
                    info,
                    engine,
                    ready.tuner,
                    ready.tree,
                    plan=ready.plan,
                    limits=Limits(ready.trials, config.timeout),
                    listeners=[listener for listener in (pruner, writer, view) if listener],
                    stop=lambda: interrupt.requested,
                    enough=ready.enough,
                    judge=pruner.judge if pruner else None,
                    earlier=after.earlier,
                    next_number=after.next_number,
                )
                replayed = publish_best(engine, result, ready.space, again=not uses_mlflow)
                if not replayed:
                    writer.remarks.append(NOT_PUBLISHED)
            finally:
                with held():
                    engine.close()
    finally:
        writer.drain()
    return Launched(Study(_with_runs(result.record, writer)), _error(result, info))


def _spec(ready: Prepared, setting: Setting) -> RunnerSpec:
    marked = {mark.name for mark in ready.cell.marks}
    extra = tuple(o.name for o in ready.objectives if o.name not in marked)
    config = ready.config
    memory = default_limit() if config.cache_memory is None else config.cache_memory
    jobs = config.jobs or (1 if config.engine == "local" else cores())
    folders = {Path.cwd()}
    if setting.source_name:
        folders.add(Path(setting.source_name).parent)
    return RunnerSpec(
        ready.cell,
        ready.objectives,
        extra,
        reuse=not config.fresh_trials,
        memory=memory // jobs,
        folders=tuple(folders),
    )


def prepare(
    cell: TunableCell, config: StudyConfig, setting: Setting, *, look: bool = False
) -> Prepared:
    """Choose objectives, space, tuner, seed and pruner, and what runs first.

    Args:
        cell: the cell.
        config: the person's words.
        setting: where it would run.
        look: change nothing, not even in MLflow, where a study that is resumed is made ready.

    Raises:
        HpmagicError: the cell or the options cannot be used.
    """
    check_options(config)
    resumed = _resumed(cell, config, setting, look=look)
    if resumed is not None:
        told = resumed.record.info
        seed = told.seed if config.seed is None else config.seed
        config = replace(
            config,
            seed=seed,
            trials=config.trials or told.trials,
            repeats=config.repeats or told.repeats,
            study=told.name,
        )
    objectives = config.objectives or cell.objectives
    if resumed is not None:
        objectives = objectives or resumed.record.info.objectives
    if not objectives:
        raise OptionError(
            "nothing says which trial is better: write `# tune: maximize` (or minimize) behind the "
            "line that assigns your metric, or pass --maximize NAME"
        )
    kind = get_tuner(config.tuner)
    if len(objectives) > 1 and not kind.many_objectives:
        names = ", ".join(objective.name for objective in objectives)
        raise OptionError(
            f"{kind.name} takes one objective, but the cell has {len(objectives)} ({names}); "
            "use tpe, nsga2, random or grid, or name one with --minimize or --maximize"
        )
    space = known_space(cell, setting.namespace)
    tries = resolve_tries(config.tries, space)
    seed = secrets.randbits(32) if config.seed is None else config.seed
    tree = ExecutionTree()
    trials = config.trials or (None if kind.plans else DEFAULT_TRIALS)
    warm = _warm_start(cell, config, kind, space=space, objectives=objectives, resumed=resumed)
    context = TunerContext(
        space,
        objectives,
        trials,
        seed,
        tree,
        tries,
        config.tuner_options,
        warm.studies,
        tuple if config.fresh_trials else partial(reading_order, cell, setting.namespace),
    )
    tuner = kind.make(context)
    if warm.studies and not getattr(tuner, "uses_earlier", True):
        warm = WarmStart(remark="warm start: not needed, since every combination runs")
    plan = [Planned(Origin.DEFAULT)] if config.default else []
    combinations = getattr(tuner, "combinations", ())
    plan += [Planned(Origin.TRY, values) for values in (*tries, *combinations)]
    pruner = choose_pruner(
        config.pruner,
        objectives,
        curves=has_curve(cell, objectives[0].name),
        plans=kind.plans,
        tuned=config.warmup is not None or config.min_steps is not None,
    )
    after = NOTHING
    if resumed is not None:
        after = continuation(
            resumed.record,
            source=cell.text,
            fingerprint=cell.fingerprint,
            space=space,
            objectives=objectives,
            anyway=config.resume == "anyway",
        )
        plan = [p for p in plan if p.origin is not Origin.DEFAULT or not after.has_default]
        plan = [*after.again, *plan]
    return Prepared(
        cell,
        config,
        objectives,
        space,
        kind,
        tuner,
        tree,
        tuple(plan),
        trials,
        seed,
        pruner,
        enough_rule(config, objectives),
        warm,
        resumed,
        after,
    )


def _warm_start(
    cell: TunableCell,
    config: StudyConfig,
    kind: TunerInfo,
    *,
    space: SearchSpace,
    objectives: Sequence[Objective],
    resumed: Resumable | None,
) -> WarmStart:
    """What earlier studies there are to learn from, if that was asked for."""
    if config.warm_start is None:
        return WarmStart()
    if not kind.learns_from_earlier:
        raise OptionError(f"--warm-start is for bayes and auto: {kind.name} cannot make use of it")
    if len(objectives) > 1:
        names = ", ".join(objective.name for objective in objectives)
        raise OptionError(f"--warm-start is for one objective, but the cell has {names}")
    from hpmagic.tracking.store import check_store

    check_store()
    return earlier_studies(
        config.warm_start,
        fingerprint=cell.fingerprint,
        space=space,
        objectives=objectives,
        without=None if resumed is None else resumed.record.run_id,
    )


def _resumed(
    cell: TunableCell, config: StudyConfig, setting: Setting, *, look: bool
) -> Resumable | None:
    """The study that goes on, if one is to."""
    if config.resume is None:
        return None
    from hpmagic.tracking.place import place_of
    from hpmagic.tracking.resumption import find_resumable
    from hpmagic.tracking.store import check_store

    check_store()
    place = place_of(config.experiment, Path(setting.source_name).stem)
    return find_resumable(
        place, config.study, cell.fingerprint, experiment=config.experiment, look=look
    )


def _pruner(ready: Prepared) -> Pruner | None:
    if ready.pruner.name == "none":
        return None
    return OptunaPruner(
        ready.pruner.name,
        ready.objectives[0],
        seed=ready.seed,
        warmup=ready.config.warmup,
        min_steps=ready.config.min_steps,
    )


def study_info(ready: Prepared, setting: Setting) -> StudyInfo:
    """The facts of a study that begins now."""
    now = time.time()
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(now))
    name = ready.config.study or f"{ready.objectives[0].name}-{ready.kind.name}-{stamp}"
    lints = tuple(lint.sentence for lint in ready.cell.lints)
    return StudyInfo(
        name=name,
        experiment=ready.config.experiment or "",
        tuner=ready.kind.name,
        tuner_options=ready.config.tuner_options,
        trials=ready.trials,
        seed=ready.seed,
        objectives=ready.objectives,
        space=ready.space,
        constants=ready.cell.constants,
        source=ready.cell.text,
        fingerprint=ready.cell.fingerprint,
        start=now,
        command=setting.command,
        source_name=setting.source_name,
        pruner=ready.pruner.name,
        repeats=ready.config.repeats or 1,
        remarks=remarks_of(ready) + lints,
        head=setting.head,
        expected=_expected(ready),
    )


def _expected(ready: Prepared) -> int | None:
    """The size of the tuner's own plan, where no number of trials is given."""
    if ready.trials is not None:
        return None
    by_hand = [dict(planned.values) for planned in ready.plan]
    by_hand += [dict(trial.params) for trial in ready.after.kept]
    return expected_trials(ready.space, getattr(ready.tuner, "size", None), by_hand)


def _with_runs(record: StudyRecord, writer: Any) -> StudyRecord:
    trials = tuple(replace(t, run_id=writer.run_ids.get(t.number, t.run_id)) for t in record.trials)
    return replace(
        record,
        info=replace(record.info, name=writer.study_name or record.info.name),
        trials=trials,
        run_id=writer.run_id,
        experiment_id=writer.experiment_id,
        tracking_uri=writer.tracking_uri,
    )


def _error(result: StudyResult, info: StudyInfo) -> BaseException | None:
    finished = result.record.finished
    if result.error is not None and finished is not None:
        result.error.add_note(f"hpmagic: study {info.name} stopped: {finished.reason}")
        return result.error
    if finished is not None and finished.state == "interrupted":
        return KeyboardInterrupt(f"study {info.name} {finished.reason}; its results are usable")
    return None
