"""What conda calls a package, and what PyPI or Debian calls it.

Sources: conda-forge's recipes (the ``source.url`` of each names the PyPI project) and Debian's
package names in bookworm. Names that are alike in both are not listed.
"""

from __future__ import annotations

PYPI = {
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "pytorch-lightning": "pytorch-lightning",
    "py-xgboost": "xgboost",
    "py-xgboost-cpu": "xgboost-cpu",
    "xgboost-cpu": "xgboost-cpu",
    "py-opencv": "opencv-python-headless",
    "opencv": "opencv-python-headless",
    "tensorflow-base": "tensorflow",
    "msgpack-python": "msgpack",
    "matplotlib-base": "matplotlib",
    "dask-core": "dask",
    "seaborn-base": "seaborn",
    "plotly-orca": "plotly",
    "pyyaml": "pyyaml",
    "brotli-python": "brotli",
    "python-dateutil": "python-dateutil",
    "python-graphviz": "graphviz",
    "python-duckdb": "duckdb",
    "python-xxhash": "xxhash",
    "python-tzdata": "tzdata",
    "python-fastjsonschema": "fastjsonschema",
    "python-flatbuffers": "flatbuffers",
    "prometheus_client": "prometheus-client",
    "pyarrow-core": "pyarrow",
    "ruamel.yaml": "ruamel-yaml",
    "sentence-transformers": "sentence-transformers",
    "huggingface_hub": "huggingface-hub",
    "uvicorn-standard": "uvicorn[standard]",
    "psycopg2": "psycopg2-binary",
    "protobuf": "protobuf",
    "grpcio": "grpcio",
    "snappy-python": "python-snappy",
    "lz4": "lz4",
    "streamlit": "streamlit",
    "tables": "tables",
    "pytables": "tables",
    "importlib_metadata": "importlib-metadata",
    "jaxlib": "jaxlib",
    "onnxruntime-cpu": "onnxruntime",
}
"""conda's name → the requirement on PyPI."""

DEBIAN = {
    "libgomp": "libgomp1",
    "_openmp_mutex": "libgomp1",
    "openmp": "libgomp1",
    "llvm-openmp": "libomp5",
    "intel-openmp": "libgomp1",
    "libgfortran": "libgfortran5",
    "libgfortran-ng": "libgfortran5",
    "libgfortran5": "libgfortran5",
    "libgl": "libgl1",
    "libglib": "libglib2.0-0",
    "glib": "libglib2.0-0",
    "libxml2": "libxml2",
    "libxslt": "libxslt1.1",
    "libsndfile": "libsndfile1",
    "ffmpeg": "ffmpeg",
    "graphviz": "graphviz",
    "libpq": "libpq5",
    "postgresql": "libpq5",
    "unixodbc": "unixodbc",
    "openblas": "libopenblas0",
    "libblas": "libblas3",
    "liblapack": "liblapack3",
    "geos": "libgeos-c1v5",
    "proj": "libproj25",
    "libspatialindex": "libspatialindex6",
    "tesseract": "tesseract-ocr",
    "poppler": "poppler-utils",
    "git": "git",
}
"""conda's name of a system library → the Debian package. Asked for by name, it goes into ``os``."""

PROVIDED = frozenset(
    {
        "_libgcc_mutex", "blas", "bzip2", "c-ares", "ca-certificates", "certifi-system", "conda",
        "expat", "keyutils", "krb5", "ld_impl_linux-64", "libcblas", "libedit", "libexpat",
        "libffi", "libgcc", "libgcc-ng", "libiconv", "libnsl", "libopenblas", "libsqlite",
        "libstdcxx", "libstdcxx-ng", "libuuid", "libuv", "libxcrypt", "libzlib", "mamba", "mkl",
        "mkl-service", "ncurses", "nomkl", "openssl", "pip", "python_abi", "readline",
        "setuptools", "sqlite", "tk", "tzdata", "wheel", "xz", "zlib", "zstd",
    }
)  # fmt: skip
"""What Debian's Python or the wheels themselves bring: nothing to carry over."""

GPU = (
    "cudatoolkit",
    "cuda",
    "cudnn",
    "nccl",
    "pytorch-cuda",
    "pytorch-mutex",
    "libcublas",
    "rapids",
)
"""How conda's names of GPU libraries begin."""

NOT_PYPI = {
    "r-base": "R has no place in a Python image",
    "compilers": "nothing is compiled in an image; wheels come built",
    "cxx-compiler": "nothing is compiled in an image; wheels come built",
    "gcc": "nothing is compiled in an image; wheels come built",
    "gxx": "nothing is compiled in an image; wheels come built",
    "gcc_linux-64": "nothing is compiled in an image; wheels come built",
    "gxx_linux-64": "nothing is compiled in an image; wheels come built",
    "make": "nothing is compiled in an image; wheels come built",
    "cmake": "nothing is compiled in an image; wheels come built",
    "nodejs": "Node has no place in a Python image",
    "openjdk": "Java has no place in a Python image",
}
"""Packages that PyPI doesn't have as what conda means by them, and why they are left."""
