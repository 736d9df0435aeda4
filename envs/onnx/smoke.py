"""A graph of one addition, written byte by byte, is run by onnxruntime on rows from pyarrow.

No package that writes graphs is here: the bytes are ModelProto as onnx.proto says (protocol
buffers: a field's key is its number times 8 plus its kind; kind 2 is a length and that many bytes).
"""

import numpy
import onnxruntime
import pyarrow


def part(field, data):
    return bytes([field * 8 + 2, len(data)]) + data


def number(field, value):
    return bytes([field * 8, value])


def tensor(name):
    columns = part(1, number(1, 2))  # TensorShapeProto.dim = 2
    kind = part(1, number(1, 1) + part(2, columns))  # TypeProto.tensor_type: FLOAT
    return part(1, name) + part(2, kind)


node = part(1, b"x") + part(1, b"x") + part(2, b"y") + part(4, b"Add")
graph = part(1, node) + part(2, b"doubled") + part(11, tensor(b"x")) + part(12, tensor(b"y"))
model = number(1, 8) + part(7, graph) + part(8, number(2, 17))  # ir_version, graph, opset 17

session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
row = numpy.array(pyarrow.array([1.5, -2.0], pyarrow.float32()))
(doubled,) = session.run(None, {"x": row})
assert doubled.tolist() == [3.0, -4.0], doubled
print(f"onnxruntime {onnxruntime.__version__} answers")
