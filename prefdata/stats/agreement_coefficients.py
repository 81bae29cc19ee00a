"""How far annotators agree beyond chance: Cohen's kappa and Krippendorff's alpha."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def cohen_kappa(table: ArrayLike) -> float | None:
    """The agreement of two annotators beyond what their habits would give by chance.

    Args:
        table: counts (categories, categories): row by the category of the one,
            column by that of the other.

    Returns:
        1 where they always agree, 0 where as often as by chance; ``None`` where either of them
        always said the same, since chance then explains everything.

    Source:
        Cohen (1960), A coefficient of agreement for nominal scales.

    Example:
        >>> round(cohen_kappa([[20, 5], [10, 15]]), 4)
        0.4
    """
    counts = np.asarray(table, np.float64)
    total = counts.sum()
    rows, columns = counts.sum(axis=1), counts.sum(axis=0)
    if min(np.count_nonzero(rows), np.count_nonzero(columns)) < 2:
        return None
    observed = counts.trace() / total
    chance = float(rows @ columns) / total**2
    return float((observed - chance) / (1 - chance))


def krippendorff_alpha(counts: ArrayLike) -> float | None:
    """The reliability of any number of annotators, each of whom may have left units out.

    Args:
        counts: (units, categories): how many annotators put a unit into a category.

    Returns:
        1 where all agree, 0 where as often as by chance; ``None`` where no unit has two verdicts,
        or all verdicts are the same.

    Source:
        Krippendorff (2011), Computing Krippendorff's alpha-reliability; nominal data.

    Example:
        Two annotators on ten units, from section B of the source:

        >>> a = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0]
        >>> b = [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
        >>> counts = [[(x, y).count(0), (x, y).count(1)] for x, y in zip(a, b, strict=True)]
        >>> round(krippendorff_alpha(counts), 3)
        0.095
    """
    table = np.asarray(counts, np.float64)
    table = table[table.sum(axis=1) > 1]
    votes = table.sum(axis=1)
    by_category = table.sum(axis=0)
    total = by_category.sum()
    if np.count_nonzero(by_category) < 2:
        return None
    disagreement = ((votes**2 - (table**2).sum(axis=1)) / (votes - 1)).sum()
    chance = (total**2 - (by_category**2).sum()) / (total - 1)
    return float(1 - disagreement / chance)
