"""oneDAL, through daal4py: builds models from nodes, and adds up the trees' values for rows."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from airflow_batchscore.model.compiled.ensembles import EXTRA
from airflow_batchscore.model.compiled.nodes import Nodes
from airflow_batchscore.model.flavors.base import need

if TYPE_CHECKING:
    import numpy as np

#: Distributions that predict, and the one that reads trees for them; see `library_versions`.
PREDICTS = ("scikit-learn-intelex", "daal")
LIBRARIES = (*PREDICTS, "treelite")


@cache
def _library() -> Any:
    """daal4py, held to the calling thread: a worker has one per core, and a fork would lose oneDAL's own."""
    library = need("daal4py", "a compiled model", EXTRA)
    library.daalinit(nthreads=1)
    return library


class Sums:
    """Adds up the trees' values for rows, on the calling thread. Threads may share it.

    The models are built here (about a microsecond per node): those that oneDAL reads from its own archives are a fifth
    slower, and belong to one version of it.

    Raises ModelError if oneDAL is not installed.
    """

    def __init__(self, nodes: Nodes, *, features: int, outputs: int, single: bool) -> None:
        self._kind = "float" if single else "double"
        self._models = []
        for output in range(outputs):
            trees = nodes.trees_of(output)
            builder = _library().gbt_reg_model_builder(n_features=features, n_iterations=len(trees))
            for tree in trees:
                _add(builder, nodes, tree)
            self._models.append(builder.model(base_score=None))

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Rows by outputs; `rows` as `Rounding` returns them, at least one."""
        import numpy as np

        library = _library()
        sums = [
            library.gbt_regression_prediction(fptype=self._kind).compute(rows, model).prediction[:, 0]
            for model in self._models
        ]
        return np.column_stack(sums)


def _add(builder: Any, nodes: Nodes, tree: slice) -> None:
    arrays = (nodes.feature, nodes.number, nodes.parent, nodes.side, nodes.missing)
    columns = [array[tree].tolist() for array in arrays]
    tree_id = builder.create_tree(len(columns[0]))
    add_leaf, add_split = builder.add_leaf, builder.add_split
    made: list[int] = []  # oneDAL's numbers of the nodes
    for feature, number, parent, side, missing in zip(*columns, strict=True):
        below = (made[parent], side) if parent >= 0 else ()
        if feature < 0:
            made.append(add_leaf(tree_id, number, 0.0, *below))
        else:
            made.append(add_split(tree_id, feature, number, missing, 0.0, *below))
