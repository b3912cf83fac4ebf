"""Bayesian optimisation with a Gaussian process, in the order in which it is understood.

1. `encoding`: values become points, with 'not reached' as a place of its own.
2. `activity`: which hyperparameters are reached, learned from the trials so far.
3. `observations` and `targets`: objectives become costs that a Gaussian process can believe in.
4. `kernel`, `evidence` and `process`: the Gaussian process, fitted to what was observed.
5. `surrogate`: all of this together, for whoever wants to know what the trials say.
6. `feasibility`: how likely a point is to fail.
7. `acquisition`: what a new point is worth.
8. `middle`: what the ranges say of that.
9. `search`: the point that is worth most.
10. `tuner`: ask and tell.

The idea is Mockus (1975), made practical for hyperparameters by Snoek, Larochelle and Adams,
"Practical Bayesian Optimization of Machine Learning Algorithms" (NeurIPS 2012).
"""

from hpmagic.tuners.bayes.tuner import BayesTuner

__all__ = ["BayesTuner"]
