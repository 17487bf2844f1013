"""ONNX graphs: what they hold, and how rows are given to them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import TensorProto, helper
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from airflow_batchscore.errors import ModelError
from airflow_batchscore.model.estimators import kind_of
from airflow_batchscore.model.flavors import flavor
from airflow_batchscore.training.imported import import_model

pytestmark = pytest.mark.unit

ROWS = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0], "b": [1.0, 0.0, 1.0, 0.0]})
LABELS = ["no", "no", "yes", "yes"]


def test_a_graph_that_names_files_of_the_worker_reads_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import onnx

    monkeypatch.chdir(tmp_path)
    (tmp_path / "airflow.cfg").write_bytes(b"jwt_secret=canary")
    weights = onnx.TensorProto(name="w", data_type=onnx.TensorProto.UINT8, dims=[17])
    weights.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", "airflow.cfg"), ("offset", "0"), ("length", "17")):
        weights.external_data.add(key=key, value=value)
    given = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    made = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.UINT8, [17])
    initial = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["w"], ["y"])], "g", [given], [made], [weights])
    constant = onnx.helper.make_graph(
        [onnx.helper.make_node("Constant", [], ["y"], value=weights)], "g", [given], [made]
    )
    for graph in (initial, constant):
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
        (tmp_path / "theirs.onnx").write_bytes(model.SerializeToString())
        with pytest.raises(ModelError, match="its weights 'w' lie in a file beside it"):
            import_model(str(tmp_path / "theirs.onnx"))


def test_compiled_code_in_a_graph_is_refused() -> None:
    node = helper.make_node("EPContext", ["x"], ["y"], name="for_a_device", domain="com.microsoft")
    with pytest.raises(ModelError, match="its node 'for_a_device' is compiled code for some device"):
        _loaded(_graph([node], {"x": TensorProto.FLOAT}))


def test_a_graph_within_a_graph_is_looked_at_too() -> None:
    weights = helper.make_tensor("w", TensorProto.FLOAT, [1], [1.0])
    weights.data_location = TensorProto.EXTERNAL
    inner = helper.make_graph([helper.make_node("Constant", [], ["z"], value=weights)], "inner", [], [])
    node = helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner)
    with pytest.raises(ModelError, match="its weights 'w' lie in a file beside it"):
        _loaded(_graph([node], {"x": TensorProto.BOOL}))


def _graph(nodes: list[Any], inputs: dict[str, int], made: int = TensorProto.FLOAT) -> bytes:
    given = [helper.make_tensor_value_info(name, kind, [None, 1]) for name, kind in inputs.items()]
    graph = helper.make_graph(nodes, "g", given, [helper.make_tensor_value_info("y", made, [None, 1])])
    domains = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return bytes(helper.make_model(graph, opset_imports=domains, ir_version=8).SerializeToString())


def _loaded(data: bytes) -> Any:
    return flavor("onnx").load(data, ())


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("FLOAT", [1.5, 2.0]),
        ("DOUBLE", [1.5, 2.0]),
        ("FLOAT16", [1.5, 2.0]),
        ("INT64", [1, 2]),
        ("INT32", [1, 2]),
        ("INT8", [1, 2]),
        ("UINT8", [1, 2]),
        ("BOOL", [True, False]),
        ("STRING", ["x", "y"]),
    ],
)
def test_a_graph_gets_its_input_in_the_type_that_it_asks_for(kind: str, values: list[Any]) -> None:
    asked = getattr(TensorProto, kind)
    model = _loaded(_graph([helper.make_node("Identity", ["x"], ["y"])], {"x": asked}, asked))
    assert model.predict(pd.DataFrame({"x": values})).ravel().tolist() == values


def test_a_graph_with_an_input_per_feature_gets_them_by_name() -> None:
    model = _loaded(
        _graph([helper.make_node("Sub", ["a", "b"], ["y"])], {"b": TensorProto.FLOAT, "a": TensorProto.FLOAT})
    )
    assert model.predict(ROWS).ravel().tolist() == [-1, 1, 1, 3]


def test_a_converted_classifier_has_its_classes_and_its_kind() -> None:
    fitted = LogisticRegression().fit(ROWS, LABELS)
    model = _loaded(flavor("onnx").dump(fitted, ROWS))
    assert model.classes_.tolist() == ["no", "yes"]
    assert kind_of(model) == "classifier"
    assert model.predict(ROWS).tolist() == LABELS
    np.testing.assert_allclose(model.predict_proba(ROWS), fitted.predict_proba(ROWS), rtol=1e-5)


def test_a_graph_that_gives_a_dictionary_a_row_gives_columns() -> None:
    """skl2onnx converts so unless told otherwise."""
    import skl2onnx

    fitted = LogisticRegression().fit(ROWS, LABELS)
    graph = skl2onnx.to_onnx(fitted, ROWS.to_numpy(np.float32)[:1])
    model = _loaded(graph.SerializeToString())
    np.testing.assert_allclose(model.predict_proba(ROWS), fitted.predict_proba(ROWS), rtol=1e-5)


def test_a_converted_model_takes_a_missing_value_only_where_it_saw_one() -> None:
    seen = ROWS.assign(a=[np.nan, 1.0, 2.0, 3.0])
    model = _loaded(flavor("onnx").dump(RandomForestClassifier(3, random_state=0).fit(seen, LABELS), seen))
    assert len(model.predict(seen)) == 4
    with pytest.raises(ValueError, match="a value is missing in a column that lacked none"):
        model.predict(ROWS.assign(b=np.nan))


def test_a_graph_is_kept_as_it_is() -> None:
    data = _graph([helper.make_node("Identity", ["x"], ["y"])], {"x": TensorProto.FLOAT})
    assert flavor("onnx").dump(onnx.load_model_from_string(data), ROWS) == data
