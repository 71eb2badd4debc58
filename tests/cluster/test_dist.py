"""What `make dist` builds is whole, names nothing of the checkout, and is the same each time."""

import os
import subprocess
import tarfile
from pathlib import Path

from netheal.settings import PROJECT_ROOT
from scripts.build_dist import pack_environment


def test_it_has_all_that_a_cluster_needs(dist: Path) -> None:
    names = {path.name for path in dist.iterdir()}
    assert {"environment.tar.gz", "jars.txt", "spark-defaults.conf", "score_stream.py", "rescore_csv.py"} <= names
    assert (dist / "netheal-0.1.0-py3-none-any.whl").is_file()
    listed = (dist / "jars.txt").read_text().strip().split(",")
    assert listed == sorted(f"jars/{path.name}" for path in (dist / "jars").iterdir())
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=dist, check=True)


def test_the_environment_has_what_is_needed_and_not_what_spark_has(host: Path, dist: Path) -> None:
    with tarfile.open(dist / "environment.tar.gz") as archive:
        names = archive.getnames()
    assert "share/netheal/conf/healing_policy.json" in names
    assert not [name for name in names if "pyspark/jars" in name or "__pycache__" in name]
    code = "from netheal.settings import load_settings; p = load_settings().paths\n"
    code += "print(p.policy_path, p.starter_models_dir, p.var_dir)"
    python = host / "environment" / "bin" / "python"
    told = subprocess.run([python, "-c", code], cwd=host, env={}, capture_output=True, text=True, check=True).stdout
    policy, models, var = map(Path, told.split())
    assert policy.is_file() and policy.is_relative_to(host)
    assert (models / "attack_classifier" / "manifest.json").is_file()
    assert var == host / "var"
    text = "".join(path.read_text() for path in (host / "environment" / "bin").glob("netheal*"))
    assert str(PROJECT_ROOT) not in text


def test_the_same_files_are_the_same_bytes(tmp_path: Path) -> None:
    archives = []
    for number in range(2):
        folder = tmp_path / str(number)
        packages = folder / "lib" / "python3.12" / "site-packages"
        (packages / "pyspark" / "jars").mkdir(parents=True)
        for name in ("b.py", "a.py") if number else ("a.py", "b.py"):
            (packages / name).write_text(name)
        (packages / "pyspark" / "jars" / "spark.jar").write_text("")
        os.utime(packages / "a.py", (number, number))
        archives.append(tmp_path / f"{number}.tar.gz")
        pack_environment(folder, archives[-1])
    assert archives[0].read_bytes() == archives[1].read_bytes()
    with tarfile.open(archives[0]) as archive:
        assert archive.getnames()[-3:] == [f"lib/python3.12/site-packages/{n}" for n in ("a.py", "b.py", "pyspark")]
