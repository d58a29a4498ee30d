"""SMOTE for whatever kinds of columns there are."""

import numpy as np
from imblearn.over_sampling import SMOTE, SMOTEN, SMOTENC


def need_neighbours(cell, k, name="SMOTE"):
    """Record the cell as not applicable where the smallest class has no ``k`` neighbours."""
    least = cell.class_counts.min()
    cell.need(
        least > k, f"a class has {least} training rows, {name} needs more than {k} neighbours"
    )


def smote_sampler(categorical, **settings):
    """SMOTE on numbers, SMOTENC on mixed columns, SMOTEN where all are nominal.

    Parameters
    ----------
    categorical : ndarray of bool, (d,)
        Columns that hold codes of nominal values.
    **settings
        Of all three.
    """
    if categorical.all():
        return SMOTEN(**settings)
    if categorical.any():
        return SMOTENC(np.flatnonzero(categorical).tolist(), **settings)
    return SMOTE(**settings)
