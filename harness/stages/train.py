"""Training: the declared function, in the environment's image, with no network."""

from __future__ import annotations

from pathlib import Path

from harness.core.digest import Digest
from harness.core.errors import TrainingFailed
from harness.engine.engine import Mount
from harness.image import model
from harness.image.build import Built
from harness.image.key import key
from harness.image.model import Runnable
from harness.stages.load import Bench, how, inside
from harness.world.store import Store


def train(
    bench: Bench,
    environment: Built,
    trees: dict[str, str],
    data: Path,
    *,
    digest: Digest,
    seed: int,
    store: Store,
) -> tuple[str, bool]:
    """Return the artifact's tree, and whether it was trained before.

    *trees* holds the runtime, settings and code; *digest* is that of *data*. What went in names
    the result: environment, code, settings, data and seed. The training process sees the training
    file and nothing else of the data. Raises TrainingFailed.
    """
    known = key("trained", environment.image.config, sorted(trees.items()), digest, seed)
    found = store.recall("artifact", known)
    if found is not None and (store.root / "t" / found).is_dir():
        return str(found), True
    runnable = model.partial(environment, trees, store)
    with store.scratch() as folder:
        tree = trained(bench, runnable, data, folder / "artifact", seed=seed, store=store)
    store.remember("artifact", known, tree)
    return tree, False


def trained(
    bench: Bench, runnable: Runnable, data: Path, artifact: Path, *, seed: int, store: Store
) -> str:
    """Run the declared training once, writing into *artifact*; return the artifact's tree."""
    artifact.mkdir()
    job = bench.job(
        runnable,
        "/opt/harness/probe.py",
        "train",
        inside(data),
        "/artifact",
        str(seed),
        mounts=(
            Mount(source=data, target=inside(data), writable=False),
            Mount(source=artifact, target="/artifact", writable=True),
        ),
        label="train",
    )
    result, _ = bench.engine.run(job)
    if result.reason == "timeout":
        raise TrainingFailed(
            f"training did not end within {bench.limits.seconds:g} s",
            hint="make it faster, or allow it more with --seconds",
        )
    if result.reason == "memory":
        raise TrainingFailed(
            f"training took more than {bench.limits.bytes / 1e9:.1f} GB of memory",
            hint="make it smaller, or allow it more with --memory",
        )
    if not result.ok:
        raise TrainingFailed(
            f"training failed: {how(result)}",
            hint="the training function runs in the environment's image: "
            "no network, read-only except for the artifact's folder",
        )
    written = model.below(artifact)
    if not written:
        raise TrainingFailed(
            "training ended well and wrote nothing into the artifact's folder",
            hint="write what `load` reads below the path given as `artifact`",
        )
    return model.tree("artifact", written, store)
