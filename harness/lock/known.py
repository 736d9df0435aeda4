"""Names on PyPI that people mean: what they import, and what is often asked for in this field.

An index can't be asked for a near name (its list of names is tens of megabytes), so a misspelt
requirement is compared with these, and with what the environment holds.
"""

from __future__ import annotations

IMPORTED = {
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "fitz": "pymupdf",
    "google-protobuf": "protobuf",
    "jose": "python-jose",
    "jwt": "pyjwt",
    "lgbm": "lightgbm",
    "magic": "python-magic",
    "multipart": "python-multipart",
    "osgeo": "gdal",
    "pil": "pillow",
    "psycopg2": "psycopg2-binary",
    "pytorch": "torch",
    "serial": "pyserial",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "skopt": "scikit-optimize",
    "xgb": "xgboost",
    "yaml": "pyyaml",
    "zmq": "pyzmq",
}
"""What is imported, or said, by what is installed."""

NAMES = tuple(
    """
    accelerate aiohttp altair anyio arrow attrs bayesian-optimization beautifulsoup4 bokeh boto3
    cachetools catboost category-encoders certifi cffi click cloudpickle cryptography cvxpy cython
    dask datasets deepchecks dill distributed django duckdb einops evidently fastapi fastparquet
    feature-engine filelock flask fsspec gensim geopandas google-cloud-storage graphviz great-tables
    grpcio gunicorn h11 h5py httpx huggingface-hub hyperopt idna imbalanced-learn interpret jax
    jinja2 joblib jsonschema jupyter keras lightgbm lightning lime lxml markdown matplotlib mlflow
    mlflow-skinny msgpack narwhals networkx nltk numba numexpr numpy onnx onnxmltools onnxruntime
    opencv-python-headless openpyxl optuna orjson packaging pandas pandera patsy pillow plotly
    polars prometheus-client prophet protobuf psutil psycopg psycopg2-binary pyarrow pydantic
    pygments pyjwt pymongo pymupdf pyod pyparsing pyproj pyspark pytest python-dateutil
    python-dotenv python-multipart pytz pywavelets pyyaml pyzmq ray redis regex requests rich
    ruptures s3fs safetensors scikit-image scikit-learn scikit-optimize scipy seaborn
    sentence-transformers sentencepiece setuptools shap shapely six sktime skl2onnx spacy sqlalchemy
    starlette statsmodels streamlit sympy tables tabulate tensorboard tensorflow threadpoolctl
    tiktoken tokenizers torch torchaudio torchvision tornado tqdm transformers tsfresh
    typing-extensions tzdata ujson umap-learn urllib3 uvicorn uvloop wheel wrapt xarray xgboost
    xgboost-cpu xlrd xlsxwriter zarr zstandard
    """.split()  # noqa: SIM905 - a list literal is 170 lines
)
"""What models of tables, text, images and time series are commonly made with."""
