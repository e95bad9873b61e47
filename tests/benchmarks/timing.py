"""What work costs: by the clock, and in processor time, which neighbours on the machine inflate
less."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from statistics import median
from time import perf_counter

Work = Callable[[], object]


@dataclass(frozen=True)
class Costs:
    """Seconds by the clock and seconds of processor time, an entry for each run."""

    wall: list[float]
    cpu: list[float]

    @property
    def seconds(self) -> float:
        """The median by the clock."""
        return median(self.wall)

    def __str__(self) -> str:
        shown = f"{short(self.seconds)} s"
        spread = f" ({short(min(self.wall))} to {short(max(self.wall))})"
        return shown + spread * (len(self.wall) > 1)


def nothing() -> None:
    """Do what has no cost."""


def short(seconds: float) -> str:
    """A number with three digits that count."""
    digits = 3 if seconds < 1 else 2 if seconds < 10 else 1
    return f"{seconds:.{digits}f}"


def ratios(one: Costs, other: Costs) -> tuple[float, float]:
    """How much more one costs than the other, pair by pair, as the clock and as processors see
    it."""
    pairs = (one.wall, other.wall), (one.cpu, other.cpu)
    wall, cpu = (median(a / b for a, b in zip(*pair, strict=True)) for pair in pairs)
    return wall, cpu


def processor_time() -> float:
    """Seconds that this process and its children that have ended had a processor for."""
    return sum(sum(getrusage(whose)[:2]) for whose in (RUSAGE_SELF, RUSAGE_CHILDREN))


def in_turns(
    contenders: Mapping[str, Work], rounds: int, before: Work = nothing, warm_up: bool = True
) -> dict[str, Costs]:
    """Run contenders in turns, who goes first changing, after a round that does not count if
    there is to be one.

    `before` is called ahead of each run, outside of what is measured.
    """
    costs = {name: Costs([], []) for name in contenders}
    names = [*contenders]
    for number in range(0 if warm_up else 1, rounds + 1):
        for name in names if number % 2 else reversed(names):
            before()
            cpu, wall = processor_time(), perf_counter()
            contenders[name]()
            wall, cpu = perf_counter() - wall, processor_time() - cpu
            if number:
                costs[name].wall.append(wall)
                costs[name].cpu.append(cpu)
    return costs
