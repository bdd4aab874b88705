"""One piece of work after another, done here, by processes of this machine, or by a cluster.

Law: who asks for work cannot tell from the results who did it. `Engine.run` gives them in the order of the tasks, each
exactly once, whatever happened to those that worked; where one task fails, the results before it come first and then
what it raised. Nothing that was started goes on once an engine is closed, however it ends. A few tasks are under way at
a time, so that memory does not grow with their number.

    with opened(workers=2) as engine:                      # or opened(cluster="tcp://scheduler:8786")
        for part in engine.run(partial(fold, spec), chunks):
            whole.merge(part)

`work` is a function of a module, or a `functools.partial` of one: it travels by its name. It may be done twice where
who did it first has died, so it only reads. `Engine.at_once` is for work that must not be done twice: each task at the
same time and by a worker of its own, and if that one dies it is an error.
"""

from qqlab.engine.opening import opened, processors
from qqlab.engine.processes import Processes
from qqlab.engine.work import Engine, Here, is_wanted

__all__ = ["Engine", "Here", "Processes", "is_wanted", "opened", "processors"]
