"""The losses as their papers write them, to hold TRL to: plain functions of log-probabilities.

Shapes: (batch,) for every argument and result, one number per pair. `x` is the margin of the
implicit rewards, beta [(log pi(y+) - log ref(y+)) - (log pi(y-) - log ref(y-))]; `up` and `down`
are the log ratios log pi - log ref of chosen and rejected answers. Equations have the numbers of
their papers where these are certain; where none is named, the formula stands written out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Pair:
    """One pair: log-probabilities in nats, summed over the tokens of each answer."""

    chosen: float
    rejected: float
    ref_chosen: float
    ref_rejected: float
    len_chosen: int
    len_rejected: int

    @property
    def up(self) -> float:
        """The log ratio of the chosen answer."""
        return self.chosen - self.ref_chosen

    @property
    def down(self) -> float:
        """The log ratio of the rejected answer."""
        return self.rejected - self.ref_rejected


def log_sigmoid(x: float) -> float:
    return -math.log1p(math.exp(-x)) if x > 0 else x - math.log1p(math.exp(x))


def sigmoid(x: float) -> float:
    return math.exp(log_sigmoid(x))


def dpo(pair: Pair, beta: float, _e: float) -> float:
    """DPO, arXiv 2305.18290, eq. 7: -log sigma(x)."""
    return -log_sigmoid(beta * (pair.up - pair.down))


def cdpo(pair: Pair, beta: float, e: float) -> float:
    """Conservative DPO, E. Mitchell's note: -(1 - e) log sigma(x) - e log sigma(-x)."""
    x = beta * (pair.up - pair.down)
    return -(1 - e) * log_sigmoid(x) - e * log_sigmoid(-x)


def robust(pair: Pair, beta: float, e: float) -> float:
    """Robust DPO, arXiv 2403.00409: [-(1 - e) log sigma(x) + e log sigma(-x)] / (1 - 2e)."""
    x = beta * (pair.up - pair.down)
    return (-(1 - e) * log_sigmoid(x) + e * log_sigmoid(-x)) / (1 - 2 * e)


def hinge(pair: Pair, beta: float, _e: float) -> float:
    """The hinge of SLiC over a reference, RSO, arXiv 2309.06657, eq. 10: max(0, 1 - x)."""
    return max(0.0, 1 - beta * (pair.up - pair.down))


def ipo(pair: Pair, tau: float, _e: float) -> float:
    """IPO, arXiv 2310.12036, eq. 17, with ratios averaged over tokens: (h - 1 / (2 tau))^2."""
    h = pair.up / pair.len_chosen - pair.down / pair.len_rejected
    return (h - 1 / (2 * tau)) ** 2


def exo_pair(pair: Pair, beta: float, e: float) -> float:
    """EXO, arXiv 2402.00856, eq. 16: KL from softmax(x, 0) to (1 - e, e)."""
    p = sigmoid(beta * (pair.up - pair.down))
    return p * (math.log(p) - math.log(1 - e)) + (1 - p) * (math.log(1 - p) - math.log(e))


def nca_pair(pair: Pair, beta: float, _e: float) -> float:
    """NCA, arXiv 2402.05369, table 1: for two answers, the better one with weight 1."""
    up, down = beta * pair.up, beta * pair.down
    return -log_sigmoid(up) - 0.5 * log_sigmoid(-up) - 0.5 * log_sigmoid(-down)


def bco_pair(pair: Pair, beta: float, _e: float) -> float:
    """BCO, arXiv 2404.04656, eq. 6: eq. 8 without the shift by the running mean."""
    return -log_sigmoid(beta * pair.up) - log_sigmoid(-beta * pair.down)


def sppo_hard(pair: Pair, beta: float, _e: float) -> float:
    """SPPO, arXiv 2405.00675, eq. 4.7 with probabilities 1 and 0, eta = 1 / beta."""
    return (pair.up - 0.5 / beta) ** 2 + (pair.down + 0.5 / beta) ** 2


def apo_zero(pair: Pair, beta: float, _e: float) -> float:
    """APO-zero, arXiv 2408.06266, eq. 7: 1 - sigma(up) + sigma(down)."""
    return 1 - sigmoid(beta * pair.up) + sigmoid(beta * pair.down)


def apo_down(pair: Pair, beta: float, _e: float) -> float:
    """APO-down, arXiv 2408.06266, eq. 8: sigma(up) + 1 - sigma(x)."""
    return sigmoid(beta * pair.up) + 1 - sigmoid(beta * (pair.up - pair.down))


def discopop(pair: Pair, beta: float, _e: float) -> float:
    """DiscoPOP, arXiv 2406.08414, eq. 5, with temperature 0.05."""
    x = beta * (pair.up - pair.down)
    mix = sigmoid(x / 0.05)
    return -log_sigmoid(x) * (1 - mix) + math.exp(-x) * mix


def sigmoid_norm(pair: Pair, beta: float, _e: float) -> float:
    """Length-normalised DPO, arXiv 2411.15124, eq. 6: both ratios per token."""
    return -log_sigmoid(beta * (pair.up / pair.len_chosen - pair.down / pair.len_rejected))


PER_PAIR: dict[str, Callable[[Pair, float, float], float]] = {
    "sigmoid": dpo,
    "cdpo": cdpo,
    "robust": robust,
    "hinge": hinge,
    "ipo": ipo,
    "exo_pair": exo_pair,
    "nca_pair": nca_pair,
    "bco_pair": bco_pair,
    "sppo_hard": sppo_hard,
    "apo_zero": apo_zero,
    "apo_down": apo_down,
    "discopop": discopop,
    "sigmoid_norm": sigmoid_norm,
}
"""The losses of one pair; the loss of a batch is their mean."""


def aot(pairs: list[Pair], beta: float, e: float) -> float:
    """AOT for pairs, arXiv 2406.05882: the margins of policy and reference, each sorted."""
    ours = sorted(pair.chosen - pair.rejected for pair in pairs)
    theirs = sorted(pair.ref_chosen - pair.ref_rejected for pair in pairs)
    return _smoothed([a - b for a, b in zip(ours, theirs, strict=True)], beta, e)


def aot_unpaired(pairs: list[Pair], beta: float, e: float) -> float:
    """AOT for unpaired answers, arXiv 2406.05882: both log ratios, each sorted."""
    ups, downs = sorted(pair.up for pair in pairs), sorted(pair.down for pair in pairs)
    return _smoothed([a - b for a, b in zip(ups, downs, strict=True)], beta, e)


def sft(pairs: list[Pair], _beta: float, _e: float) -> float:
    """The mean of -log pi over all tokens of the chosen answers of a batch."""
    return -sum(pair.chosen for pair in pairs) / sum(pair.len_chosen for pair in pairs)


PER_BATCH: dict[str, Callable[[list[Pair], float, float], float]] = {
    "aot": aot,
    "aot_unpaired": aot_unpaired,
    "sft": sft,
}
"""The losses that take a batch as a whole."""


def kto(up: float, kl: float, beta: float, *, good: bool) -> float:
    """KTO, arXiv 2402.01306, eq. 7: 1 - sigma(beta (up - kl)), turned round for bad answers."""
    return 1 - sigmoid(beta * (up - kl) if good else beta * (kl - up))


def apo_zero_unpaired(up: float, _kl: float, beta: float, *, good: bool) -> float:
    """APO-zero, arXiv 2408.06266, eq. 7, one answer at a time."""
    return 1 - sigmoid(beta * up) if good else sigmoid(beta * up)


def cpo(pair: Pair, beta: float, e: float) -> float:
    """CPO's preference term, arXiv 2401.08417, eq. 3, with smoothed labels."""
    x = beta * (pair.chosen - pair.rejected)
    return -(1 - e) * log_sigmoid(x) - e * log_sigmoid(-x)


def simpo(pair: Pair, beta: float, gamma: float) -> float:
    """SimPO, arXiv 2405.14734, eq. 6: log-probabilities per token, less a margin gamma."""
    x = beta * (pair.chosen / pair.len_chosen - pair.rejected / pair.len_rejected) - gamma
    return -log_sigmoid(x)


def odds_ratio(pair: Pair) -> float:
    """ORPO's L_OR, arXiv 2403.07691, eq. 7, of log-probabilities per token."""
    sides = (pair.chosen / pair.len_chosen, pair.rejected / pair.len_rejected)
    odds = [logp - math.log1p(-math.exp(logp)) for logp in sides]
    return -log_sigmoid(odds[0] - odds[1])


def reward(chosen: float, rejected: float, margin: float = 0.0) -> float:
    """The reward model's loss, arXiv 2203.02155, eq. 1; with margins, arXiv 2307.09288, eq. 2."""
    return -log_sigmoid(chosen - rejected - margin)


def _smoothed(deltas: list[float], beta: float, e: float) -> float:
    terms = [-(1 - e) * log_sigmoid(beta * d) - e * log_sigmoid(-beta * d) for d in deltas]
    return sum(terms) / len(terms)
