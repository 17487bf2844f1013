"""Compiled models: oneDAL predicts with the trees of a fitted estimator, kept beside the estimator's own file.

`ensembles` reads the trees, `splits` rounds their thresholds so that every row takes the same path, `onedal` predicts,
`estimators` behaves like the estimator, and `stored` is the file. See docs/compiled-models.md.
"""
