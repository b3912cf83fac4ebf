"""Runs a cell part by part, from the furthest place that need not be repeated."""

from __future__ import annotations

import contextvars
import math
import time
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from hpmagic.distributions import is_literal
from hpmagic.execution.awaiting import run_coroutine
from hpmagic.execution.ground import Ground, Grounds
from hpmagic.execution.heap.facts import all_codes, facts_of
from hpmagic.execution.heap.kind import Keeper
from hpmagic.execution.heap.kinds import Kinds
from hpmagic.execution.heap.outside import service_of
from hpmagic.execution.heap.snapshot import Snapshot, take_snapshot
from hpmagic.execution.heap.world import World
from hpmagic.execution.hooks import DrawMade, TrialHooks
from hpmagic.execution.instrument import Program
from hpmagic.execution.isolation import Isolation
from hpmagic.execution.namespace import Namespace
from hpmagic.execution.parts import Part
from hpmagic.execution.reuse.effects import Effects, watching
from hpmagic.execution.reuse.reach import Reach, Reached
from hpmagic.execution.reuse.run import Run, Settled
from hpmagic.execution.reuse.tree import Checkpoint, Node, Tree
from hpmagic.execution.reuse.vouched import Vouched

__all__ = ["Stages"]

WORTH: Final = 0.02
"""Seconds of work below which no checkpoint is made."""
COST: Final = 0.4
"""Looking at a checkpoint's objects may take this share of the time that it saves."""
_FAN: Final = 64
"""Combinations of values beyond which none is expected twice."""
_SMALL: Final = 1 << 20
_SMALL_IN_ALL: Final = 64 << 20


class Stages:
    """The parts of a cell, and the checkpoints between them.

    Args:
        program: the cell, compiled in parts.
        namespace: the person's variables.
        world: tells what is the person's.
        kinds: the kinds of objects.
        isolation: the process's own state.
        grounds: where objects stand.
        limit: bytes that checkpoints may hold.
        enabled: whether anything is reused at all.
    """

    def __init__(
        self,
        program: Program,
        namespace: Namespace,
        isolation: Isolation,
        grounds: Grounds,
        *,
        world: World,
        kinds: Kinds,
        limit: int,
        enabled: bool,
    ) -> None:
        self.parts = program.parts
        self.enabled = enabled and not program.awaits
        self._vouches = self.enabled
        self.logs = _talks_to_services(program, namespace.variables, grounds.start.snapshot)
        self.why_not: dict[int, str] = {}
        """Why work could not be reused beyond a part, by its number."""
        self._program = program
        self._namespace = namespace
        self._world = world
        self._kinds = kinds
        self._isolation = isolation
        self._grounds = grounds
        self._reach = Reach(world, kinds)
        self._tree = Tree(limit)
        self._limit = limit
        self._draws_later = any(part.later for part in program.parts)
        self._hopeless: set[int] = set()
        self._copied: set[int] = set()
        self._vouched = Vouched(namespace, world, kinds, limit)

    def choose(self, hooks: TrialHooks) -> Checkpoint | None:
        """The furthest usable checkpoint for the values of a trial; draws what leads to it."""
        hooks.rewind()
        node, best = self._tree.start(hooks.seed), None
        while node.leads_on():
            best = node.checkpoint or best
            if node.event is None:
                break
            kind, name = node.event
            if kind == "draw":
                assert node.made is not None
                way = node.ways.get(None) if hooks.ask(node.made) else node.ways.get("written")
            else:
                way = node.ways.get(hooks.key_of(name))
            if way is None:
                break
            node = way
        while best is not None and not self._usable(best):
            best = self._shallower(best)
        return best

    @property
    def companions(self) -> list[Ground]:
        """The objects of vouched statements, which outlive a trial."""
        return self._vouched.grounds

    def discard(self, checkpoint: Checkpoint) -> None:
        """A checkpoint's objects have changed for good: let it and what came of it go."""
        self._tree.drop(checkpoint)
        if checkpoint.part in self._copied or not checkpoint.ground.snapshot.missing:
            self._hopeless.add(checkpoint.part)
        self._copied.add(checkpoint.part)

    def clear(self) -> None:
        """Let every checkpoint go, and make no more."""
        self.enabled = False
        self._tree = Tree(0)

    def begin(
        self, hooks: TrialHooks, checkpoint: Checkpoint | None, *, watch: bool, plain: bool = False
    ) -> Run:
        """A run from the start or a checkpoint, with the variables of that moment.

        With ``plain``, variables are bound at once, and nothing of it is reused.
        """
        hooks.rewind()
        if checkpoint is None:
            node = self._tree.start(hooks.seed) if self.enabled and not plain else None
            return Run(hooks, None, node, {}, {}, self._grounds.start, watch=watch, logs=self.logs)
        self._tree.use(checkpoint)
        self._namespace.resume(checkpoint.ground.bindings)
        fan = math.prod(hooks.drawn[name].distribution.size or _FAN for name in checkpoint.reads)
        return Run(
            hooks,
            checkpoint,
            checkpoint.node,
            dict(checkpoint.pending),
            dict(checkpoint.files),
            checkpoint.ground,
            read=dict.fromkeys(checkpoint.reads),
            watch=watch,
            fan=fan,
            logs=self.logs,
        )

    def go(self, run: Run) -> None:
        """Run the parts that are left, in a context of their own; raises what the cell raises."""
        checkpoint = run.begun
        if checkpoint is None:
            context = contextvars.copy_context()
            first = 0
        else:
            context = checkpoint.context.copy()
            context.run(self._isolation.resume, checkpoint.surroundings)
            run.hooks.recall(checkpoint.events, checkpoint.memory)
            run.hooks.touched.clear()
            first = checkpoint.part
        self._grounds.leave()
        settled = Settled.now()
        for number in range(first, len(self.parts)):
            if run.node is None:
                self._unwatched(run, number, context, settled)
            else:
                self._watched(run, number, context, settled)
        self.bind_all(run)

    def bind_all(self, run: Run) -> None:
        """Give every variable that is still unbound its value."""
        for variable in list(run.pending):
            self._bind(run, variable)

    def _unwatched(
        self, run: Run, number: int, context: contextvars.Context, settled: Settled
    ) -> None:
        part = self.parts[number]
        if self._vouches and part.once and not part.draws:
            self._vouched.run(run, number, partial(self._execute_watched, run, number, context))
            return
        if run.watch:
            act = settled.act(self._execute_watched(run, number, context))
            if act:
                run.acts[number] = act
            return
        begun = time.perf_counter()
        try:
            self._execute(part, context)
        finally:
            run.seconds[number] = time.perf_counter() - begun

    def _watched(
        self,
        run: Run,
        number: int,
        context: contextvars.Context,
        settled: Settled,
    ) -> None:
        """Run a part and see what it reads, draws and does outside."""
        part, hooks = self.parts[number], run.hooks
        reached, read = self._reached(run, part)
        if read:
            run.readers[number] = tuple(read)
        if part.once and not part.draws:
            execute = partial(self._execute_watched, run, number, context)
            self._vouched.lend(run, number, read, execute)
            return
        # A line that logs runs in every trial; the work before it need not.
        logs = run.logs and reached.outside
        if (read or logs or self._draws(part, reached)) and part.tuned is None:
            self._consider(run, number, context)
        for variable in read:
            if variable in run.pending:  # else the one before has bound them all
                self._read(run, run.pending[variable])
            if variable in run.pending:
                self._bind(run, variable)
        if run.node is None:
            self._unwatched(run, number, context, settled)
            return
        barrier = self._barrier(reached)
        if barrier:
            self._stop(run, number, barrier)
            self._unwatched(run, number, context, settled)
            return
        hooks.touched.clear()
        known = len(hooks.events)
        effects = self._execute_watched(run, number, context)
        if self._isolation.builtins_changed():
            # What follows here relies on them, too.
            self._stop(run, number, "changes Python's builtins")
            return
        for path, state in effects.reads.items():
            run.files.setdefault(path, state)
        self._drawn(run, number, known)
        act = settled.act(effects)
        if act:
            run.acts[number] = act
            self._stop(run, number, act)

    def _reached(self, run: Run, part: Part) -> tuple[Reached, list[str]]:
        """What a part may reach, and which unbound variables are among that."""
        variables, hooks = self._namespace.variables, run.hooks
        read: list[str] = []
        lent: list[str] = []
        try:
            while True:
                reached = self._reach.of(part.runs)
                more = [v for v in run.pending if v not in read and reached.mentions(v)]
                read += more
                # A chosen function or object leads on to what it reads.
                leading = [v for v in more if not is_literal(hooks.drawn[run.pending[v]].value)]
                if not leading:
                    return reached, read
                lent += leading
                variables.update({v: hooks.value_of(run.pending[v]) for v in leading})
        finally:
            for variable in lent:
                del variables[variable]

    def _execute_watched(self, run: Run, number: int, context: contextvars.Context) -> Effects:
        begun = time.perf_counter()
        try:
            with watching() as effects:
                self._execute(self.parts[number], context)
        finally:
            run.seconds[number] = taken = time.perf_counter() - begun
            run.since += taken
        return effects

    def _execute(self, part: Part, context: contextvars.Context) -> None:
        variables = self._namespace.variables
        if self._program.awaits:
            coroutine = eval(part.code, variables)  # noqa: S307 - the person's own cell
            context.run(run_coroutine, coroutine)
        else:
            context.run(exec, part.code, variables)

    def _drawn(self, run: Run, number: int, known: int) -> None:
        """Note what a part has drawn: a tuned variable is unbound again until it is read."""
        part = self.parts[number]
        hooks, variables = run.hooks, self._namespace.variables
        fresh = {e.name: e for e in hooks.events[known:] if isinstance(e, DrawMade)}
        for name, made in fresh.items():
            if run.node is None:
                return
            self._advance(run, ("draw", name), "written" if not hooks.ask(made) else None)
            if run.node is not None and run.node.parent is not None:
                run.node.parent.made = made
        for name in sorted(hooks.touched):
            written = hooks.key_of(name) == "written"
            if part.tuned is not None and name in fresh and len(hooks.touched) == 1 and not written:
                if part.tuned in variables:
                    run.pending[part.tuned] = name
                    del variables[part.tuned]
            else:
                self._read(run, name)
                run.readers[number] = (*run.readers.get(number, ()), name)

    def _read(self, run: Run, name: str) -> None:
        """The run depends on a value from here on."""
        if run.node is None or name in run.read:
            return
        run.read[name] = None
        hooks = run.hooks
        size = hooks.drawn[name].distribution.size
        run.fan = run.fan * size if size is not None else _FAN + 1
        value, key = hooks.drawn[name].value, hooks.key_of(name)
        if isinstance(key, int):
            run.node.kept.append(value)
        self._advance(run, ("read", name), key)
        if run.fan > _FAN and run.node is not None and not run.node.leads_on():
            self._leave(run)

    def _advance(self, run: Run, event: tuple[str, str], key: str | int | None) -> None:
        node = run.node
        if node is None:
            return
        if node.event is None:
            node.event = event
        elif node.event != event:
            # The same values led somewhere else: nothing can be told of this cell.
            self._leave(run)
            self.clear()
            self.why_not.setdefault(-1, "it does not run the same way twice")
            return
        run.node = node.ways.setdefault(key, Node(node))

    def _bind(self, run: Run, variable: str) -> None:
        name = run.pending.pop(variable)
        self._namespace.variables[variable] = run.hooks.value_of(name)

    def _leave(self, run: Run) -> None:
        """Nothing that follows will be reused: run on without looking."""
        run.node = None
        self.bind_all(run)

    def _stop(self, run: Run, number: int, why: str) -> None:
        self.why_not.setdefault(number, why)
        self._leave(run)

    def _draws(self, part: Part, reached: Reached) -> bool:
        """Whether running a part may draw a value."""
        return bool(part.draws) or (self._draws_later and self._program.hidden in reached.names)

    def _barrier(self, reached: Reached) -> str:
        """Why a part has to run in every trial, as far as that is known before it runs."""
        if reached.outside:
            return reached.outside
        return f"uses {_article(reached.unseen)}" if reached.unseen else ""

    def _consider(self, run: Run, number: int, context: contextvars.Context) -> None:
        """Make a checkpoint before a part, if that is worth it."""
        node = run.node
        assert node is not None
        if node.checkpoint is not None:
            run.passed.append(node.checkpoint)
            return
        first = 0 if run.begun is None else run.begun.part
        if run.since < WORTH or number in self._hopeless or run.fan > _FAN or number == first:
            return
        begun = time.perf_counter()
        snapshot = self._snapshot(run, number, context)
        cost = time.perf_counter() - begun
        seen = {unseen.identity for unseen in self._grounds.start.snapshot.unseen}
        new = [unseen for unseen in snapshot.unseen if unseen.identity not in seen]
        new = [unseen for unseen in new if unseen.root not in self._vouched.names]
        if new:
            self._stop(run, number - 1, f"`{new[0].root}` holds {_article(new[0].what)}")
            return
        if cost > COST * run.since and number not in self._copied:
            self._hopeless.add(number)
            self.why_not.setdefault(number - 1, "looking for changes would take as long")
            return
        checkpoint = Checkpoint(
            part=number,
            ground=Ground(snapshot, self._namespace.bindings()),
            events=tuple(run.hooks.events),
            pending=dict(run.pending),
            memory=run.hooks.memory(),
            surroundings=context.run(self._isolation.surroundings),
            context=context.copy(),
            files=dict(run.files),
            seconds=run.total,
            node=node,
            gain=run.since,
            reads=tuple(run.read),
        )
        self._tree.keep(checkpoint)
        if not checkpoint.kept:  # there is no room for it
            return
        run.made.append(checkpoint)
        run.ground = checkpoint.ground
        run.since = 0.0

    def _snapshot(self, run: Run, number: int, context: contextvars.Context) -> Snapshot:
        """Everything that can be reached now and that the rest of the cell might change."""
        bound, _ = self._namespace.changes()
        roots: dict[str, Any] = dict(bound)
        outer = contextvars.copy_context()
        for variable, value in context.items():
            # numpy keeps its error handling in a capsule; the settings have that.
            if outer.get(variable) is not value and type(value).__name__ != "PyCapsule":
                roots[f"the value of {variable.name}"] = value
        for event in run.hooks.events:
            if isinstance(event, DrawMade) and event.values:
                roots[f"the range of {event.name}"] = event.values
        rest = [facts_of(c) for part in self.parts[number:] for c in all_codes(part.code)]
        names = {name for facts in rest for name in facts.names}
        everywhere = any(facts.reflective for facts in rest)
        copies = number in self._copied
        keeper = Keeper(self._limit) if copies else Keeper(_SMALL_IN_ALL, _SMALL)
        return take_snapshot(
            self._world,
            roots,
            keeper,
            kinds=self._kinds,
            before=run.ground.snapshot,
            # Roots that are no variables have a space in their name.
            near=None if everywhere else lambda name: name in names or " " in name,
        )

    def _usable(self, checkpoint: Checkpoint) -> bool:
        if not checkpoint.ground.spoiled and checkpoint.current:
            lost = self._grounds.stand_on(checkpoint.ground, whole=False)
            if not lost:
                return True
        self.discard(checkpoint)
        return False

    def _shallower(self, checkpoint: Checkpoint) -> Checkpoint | None:
        node = checkpoint.node.parent
        while node is not None:
            if node.checkpoint is not None:
                return node.checkpoint
            node = node.parent
        return None


def _talks_to_services(
    program: Program, variables: Mapping[str, object], snapshot: Snapshot
) -> bool:
    codes = [code for part in program.parts for code in all_codes(part.code)]
    codes += [code for function in snapshot.functions for code in all_codes(function.__code__)]
    facts = [facts_of(code) for code in codes]
    names = {name for fact in facts for name in fact.reads}
    return any(fact.services for fact in facts) or any(service_of(variables.get(n)) for n in names)


def _article(what: str) -> str:
    first = what.partition(" ")[0]
    return what if first in ("a", "an", "device", "something") else f"a {what}"
