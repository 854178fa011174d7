"""The model with its measured times: one course for a load under a rule, always the same for the same seed."""

from __future__ import annotations

from dataclasses import dataclass

from bench.scaling.course_figures import Figures, figures
from bench.scaling.load import Load, sessions
from bench.scaling.measured import Measured
from bench.scaling.modelled_endpoint import Course, ModelledEndpoint
from bench.scaling.resampled import Resampled
from bench.scaling.rule import Rule


@dataclass(frozen=True)
class Model:
    """``seed``: of the arrivals, and of what is drawn from ``measured``."""

    measured: Measured
    seed: int = 1

    def course(self, load: Load, rule: Rule, packs: bool = False) -> Course:
        times = Resampled(self.measured, f"times of {self.seed}")
        return ModelledEndpoint(rule, self.measured.concurrency, times, packs).serve(sessions(load, self.seed))

    def figures(self, load: Load, rule: Rule, packs: bool = False) -> Figures:
        return figures(self.course(load, rule, packs))
