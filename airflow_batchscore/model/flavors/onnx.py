"""ONNX: scikit-learn estimators converted by skl2onnx, or models exported elsewhere, run by onnxruntime."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from airflow_batchscore.errors import ModelError
from airflow_batchscore.model.flavors.base import Flavor, need, tags

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from sklearn.utils import Tags

_CLASSES = "batchscore.classes"
_KIND = "batchscore.kind"
#: Positions of columns without missing values at training: converters support missing values for few estimators.
_WHOLE = "batchscore.whole"


class Onnx(Flavor):
    """An ONNX graph. It contains no code and must contain its weights: references to files are refused.

    Numbers are float32, as skl2onnx converts them.
    """

    name = "onnx"
    suffix = "onnx"
    libraries = ("onnx", "onnxruntime", "skl2onnx")
    estimators = ("onnx",)
    reads = ("onnx",)
    runs_code = False
    names_classes = False

    def dump(self, estimator: object, features: pd.DataFrame) -> bytes:
        onnx = need("onnx", "the onnx flavour", "onnx")
        if isinstance(estimator, onnx.ModelProto):
            return bytes(estimator.SerializeToString())
        skl2onnx = need("skl2onnx", "the onnx flavour", "onnx")
        import numpy as np

        from airflow_batchscore.model.estimators import kind_of

        try:
            sample = features.head(1).to_numpy(np.float32)
            options = {id(estimator): {"zipmap": False}} if hasattr(estimator, "classes_") else None
            model = skl2onnx.to_onnx(estimator, sample, options=options)
        except Exception as error:  # conversion raises its own errors and any of the estimator's
            raise ModelError(f"{type(estimator).__name__} cannot be converted to ONNX: {error}") from error
        whole = np.flatnonzero(features.notna().to_numpy().all(axis=0)).tolist()
        facts = {_KIND: kind_of(estimator), _WHOLE: json.dumps(whole)}
        if hasattr(estimator, "classes_"):
            facts[_CLASSES] = json.dumps(np.asarray(estimator.classes_).tolist())
        for key, value in facts.items():
            kept = model.metadata_props.add()
            kept.key, kept.value = key, value
        return bytes(model.SerializeToString())

    def load(self, data: bytes, trusted_types: Sequence[str]) -> object:
        runtime = need("onnxruntime", "the onnx flavour", "onnx")
        _require_whole(data)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = runtime.InferenceSession(data, options, providers=runtime.get_available_providers())
        return (OnnxClassifier if _likelihoods(session) else OnnxModel)(session)


def _require_whole(data: bytes) -> None:
    """A graph can name files on the worker as its weights; its predictions would then reveal their content."""
    onnx = need("onnx", "the onnx flavour", "onnx")
    for message in _messages(onnx.load_model_from_string(data)):
        if isinstance(message, onnx.TensorProto) and (message.data_location or message.external_data):
            raise ModelError(
                f"its weights {message.name!r} lie in a file beside it; save it as one file: "
                "onnx.save(onnx.load(path), path, save_as_external_data=False)"
            )
        if isinstance(message, onnx.NodeProto) and message.op_type == "EPContext":
            raise ModelError(f"its node {message.name!r} is compiled code for some device; export the graph itself")


def _messages(message: Any) -> Iterator[Any]:
    """A protobuf message and all messages inside it."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in value if hasattr(value, "__len__") else [value]:
                yield from _messages(inner)


class OnnxModel:
    """A session with scikit-learn's methods: `predict` returns its first output.

    A graph with one two-dimensional input gets the features as a matrix; one with an input per feature gets columns.
    """

    def __init__(self, session: Any) -> None:
        import numpy as np

        self._session = session
        self._first = session.get_outputs()[0].name
        facts = session.get_modelmeta().custom_metadata_map
        self._kind, classes = facts.get(_KIND), facts.get(_CLASSES)
        self._whole = json.loads(facts.get(_WHOLE, "[]"))
        if classes:
            self.classes_ = np.array(json.loads(classes))

    def __sklearn_tags__(self) -> Tags:
        return tags(self._kind)

    def predict(self, features: pd.DataFrame) -> Any:
        return self._run(self._first, features)

    def _run(self, output: str | None, features: Any) -> Any:
        inputs = self._session.get_inputs()
        if len(inputs) == 1:
            feed = {inputs[0].name: np_array(features, inputs[0].type)}
            self._require_whole(feed[inputs[0].name])
        else:
            feed = {given.name: np_array(features[[given.name]], given.type) for given in inputs}
        return self._session.run([output], feed)[0]

    def _require_whole(self, values: np.ndarray) -> None:
        import numpy as np

        if self._whole and values.dtype.kind == "f" and np.isnan(values[:, self._whole]).any():
            raise ValueError("a value is missing in a column that lacked none where the ONNX model was fitted")


class OnnxClassifier(OnnxModel):
    """An ONNX model with a probability output."""

    def predict_proba(self, features: pd.DataFrame) -> Any:
        likelihoods = self._run(_likelihoods(self._session), features)
        if isinstance(likelihoods, list):  # skl2onnx's ZipMap: a dictionary per row, class -> probability
            import numpy as np

            return np.array([[row[name] for name in sorted(row)] for row in likelihoods])
        return likelihoods


def _likelihoods(session: Any) -> str | None:
    """The name of the probability output."""
    return next((output.name for output in session.get_outputs() if "prob" in output.name.lower()), None)


def np_array(values: object, kind: str) -> np.ndarray:
    """A matrix for an ONNX tensor type, such as ``tensor(float)``."""
    import numpy as np

    name = kind.removeprefix("tensor(").removesuffix(")")
    types = {"float": "float32", "double": "float64", "string": "object"}  # the others are called as in numpy
    return np.ascontiguousarray(np.asarray(values), types.get(name, name))
