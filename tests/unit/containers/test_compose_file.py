"""`docker-compose.spark.yml`: valid, nothing in it dangling, and every service confined, bounded and pinned."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from netheal.settings import PROJECT_ROOT, load_settings
from tests.containers import COMPOSE_FILE, compose_file, host_path, image_environment, mounted

DOCUMENT = compose_file()
SERVICES: dict[str, dict[str, Any]] = DOCUMENT["services"]
OURS = {name for name, service in SERVICES.items() if "build" in service}
_PINNED = re.compile(r"(?:[a-z0-9-]+/)?[a-z0-9-]+:(?:v?\d+\.\d+(?:\.\d+)?|RELEASE\.\d{4}-\d\d-\d\dT[\d-]+Z)\Z")
"""No registry's host, and a version that is not `latest` nor a major one alone."""
_SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|DSN|CREDENTIAL")

each_service = pytest.mark.parametrize("name", SERVICES)


def test_it_keeps_to_the_compose_specification() -> None:
    check = Path(sys.executable).with_name("check-jsonschema")
    told = subprocess.run(
        [check, "--builtin-schema", "vendor.compose-spec", COMPOSE_FILE], capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stdout


def test_the_services_are_those_that_are_promised() -> None:
    profiles = {name: service.get("profiles", []) for name, service in SERVICES.items()}
    assert {name for name, of in profiles.items() if not of} == {
        "kafka", "postgres", "spark-master", "spark-worker", "stream", "api"
    }  # fmt: skip
    assert {profile for of in profiles.values() for profile in of} == {"monitoring", "notify", "s3", "tls"}
    assert SERVICES["kafka"]["image"].startswith("apache/kafka:")
    assert SERVICES["postgres"]["image"].startswith("postgres:18")
    assert mounted(SERVICES["postgres"]) == {"postgres": "/var/lib/postgresql"}


@each_service
def test_no_service_is_root_or_may_become_it(name: str) -> None:
    service = SERVICES[name]
    user, _, _ = service["user"].partition(":")
    assert user.isdigit() and int(user) > 0
    assert service["cap_drop"] == ["ALL"] and "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "network_mode", "pid", "ipc", "userns_mode", "devices"} & service.keys()
    assert not any("docker.sock" in source for source in mounted(service))


@each_service
def test_every_root_is_read_only(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    for source in service.get("volumes", []):
        if isinstance(source, str) and source.startswith("./"):
            assert source.endswith(":ro"), "what is in the checkout stays as it is"
    for folder in service.get("tmpfs", []):
        assert "size=" in folder


@pytest.mark.parametrize("name", sorted({*OURS, "kafka"}))
def test_native_libraries_can_be_loaded_from_where_java_unpacks_them(name: str) -> None:
    (tmp,) = [folder for folder in SERVICES[name]["tmpfs"] if folder.startswith("/tmp:")]
    assert "exec" in tmp.removeprefix("/tmp:").split(",")


@each_service
def test_every_service_is_bounded_and_pinned(name: str) -> None:
    service = SERVICES[name]
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    assert _PINNED.match(service["image"]), service["image"]
    assert service["logging"]["options"]["max-size"]


def test_our_image_has_our_version() -> None:
    version = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert {"spark-master", "spark-worker", "stream", "api"} <= OURS
    assert {SERVICES[name]["image"] for name in OURS} == {f"netheal:{version}"}


@each_service
def test_what_a_service_waits_for_is_there_and_tells_when_it_is_ready(name: str) -> None:
    service = SERVICES[name]
    once = service["restart"] == "no"
    asked_by_nobody = name == "notifier" and service["healthcheck"] == {"disable": True}
    assert once or asked_by_nobody or service["healthcheck"]["test"][0] == "CMD"
    for other, asked in service.get("depends_on", {}).items():
        awaited = SERVICES[other]
        assert set(awaited.get("profiles", [])) <= set(service.get("profiles", [])), "else it may not be started"
        if awaited["restart"] == "no":
            assert asked["condition"] == "service_completed_successfully"
        else:
            assert asked["condition"] == "service_healthy" and "healthcheck" in awaited


def test_volumes_networks_and_secrets_are_declared_and_used() -> None:
    sources = {source for service in SERVICES.values() for source in mounted(service)}
    assert {source for source in sources if host_path(source) is None} == DOCUMENT["volumes"].keys()
    for path in filter(None, map(host_path, sources)):
        assert path.exists(), path
    for key in ("networks", "secrets"):
        used = {one for service in SERVICES.values() for one in service.get(key, [])}
        assert used == DOCUMENT[key].keys()
    assert DOCUMENT["networks"]["inside"] == {"internal": True}


def test_driver_workers_and_api_share_a_volume_at_one_path() -> None:
    assert {mounted(SERVICES[name])["data"] for name in ("stream", "spark-worker", "api")} == {
        image_environment()["NETHEAL_VAR_DIR"]
    }


@each_service
def test_no_secret_stands_in_the_environment(name: str) -> None:
    for variable, value in SERVICES[name].get("environment", {}).items():
        assert not _SECRET.search(variable) or variable.endswith("_FILE"), variable
        assert "@postgres" not in str(value)
        if str(value).startswith("/run/secrets/"):
            assert value.removeprefix("/run/secrets/") in SERVICES[name]["secrets"]


def test_the_secrets_are_those_that_are_made(tmp_path: Path) -> None:
    make = [PROJECT_ROOT / "conf" / "container" / "make-secrets", tmp_path / "secrets"]
    for _ in range(2):
        subprocess.run(make, check=True, capture_output=True, env={"PATH": os.environ["PATH"]})
        made = {file.name: file.read_text() for file in (tmp_path / "secrets").iterdir()}
        if "tls_key.pem" not in made:
            pytest.skip("openssl is not installed")
        assert {f"./var/secrets/{name}" for name in made} == {one["file"] for one in DOCUMENT["secrets"].values()}
    again = {file.name: file.read_text() for file in (tmp_path / "secrets").iterdir()}
    assert again == made and len({made["postgres_password"], made["minio_password"], made["grafana_password"]}) == 3
    assert (
        made["postgres_dsn"].strip()
        == f"postgresql://netheal:{made['postgres_password'].strip()}@postgres:5432/netheal"
    )
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in (tmp_path / "secrets").iterdir()} == {0o644}


def test_only_the_proxy_is_published_to_others_than_this_machine() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published.keys() == {"kafka", "api", "grafana", "proxy"}
    assert {name for name, ports in published.items() if not all(p.startswith("127.0.0.1:") for p in ports)} == {
        "proxy"
    }
    for name in published:
        assert "outside" in SERVICES[name]["networks"]


def test_workers_can_be_scaled() -> None:
    assert not {"container_name", "ports", "hostname"} & SERVICES["spark-worker"].keys()


@pytest.mark.parametrize("name", ["stream", "api", "notifier", "metrics-token"])
def test_the_settings_are_settings(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in [variable for variable in os.environ if variable.startswith("NETHEAL_")]:
        monkeypatch.delenv(variable)
    for variable, value in (image_environment() | SERVICES[name]["environment"]).items():
        if variable.startswith("NETHEAL_"):
            if variable in ("NETHEAL_POSTGRES_DSN_FILE", "NETHEAL_API_TOKEN_FILE"):
                value = tmp_path / "secret"
                value.write_text("postgresql://netheal:secret@postgres:5432/netheal\n")
            monkeypatch.setenv(variable, str(value))
    settings = load_settings()
    assert settings.paths.delta_root == "/var/lib/netheal/delta"
    assert settings.api.asks_for_tokens is (name == "api") and settings.api.anonymous_role == ""


def test_what_the_operator_sets_reaches_the_api() -> None:
    api = compose_file(
        NETHEAL_HOST_NAME="soc.example",
        NETHEAL_API_ANONYMOUS_ROLE="viewer",
        NETHEAL_API_ORIGINS='["https://ui.example"]',
        NETHEAL_API_PUBLISHED_PORT="9000",
    )["services"]["api"]
    assert api["environment"]["NETHEAL_API_ANONYMOUS_ROLE"] == "viewer"
    assert api["environment"]["NETHEAL_API_ORIGINS"] == '["https://ui.example"]'
    assert '"soc.example"' in api["environment"]["NETHEAL_API_HOSTS"]
    assert api["ports"] == ["127.0.0.1:9000:8000"]


def test_prometheus_asks_services_that_there_are_with_the_token_that_is_made() -> None:
    conf = yaml.safe_load((PROJECT_ROOT / "conf" / "prometheus" / "prometheus.yml").read_text())
    jobs = {job["job_name"]: job for job in conf["scrape_configs"]}
    assert jobs.keys() >= {"netheal-api", "netheal-job"}
    for job in jobs.values():
        for target in job["static_configs"][0]["targets"]:
            assert target.partition(":")[0] in {*SERVICES, "localhost"}
    token = Path(jobs["netheal-api"]["authorization"]["credentials_file"])
    made_at = Path(SERVICES["metrics-token"]["command"][1])
    assert mounted(SERVICES["prometheus"])["metrics-token"] == str(token.parent)
    assert mounted(SERVICES["metrics-token"])["metrics-token"] == str(made_at.parent) and token.name == made_at.name
    assert SERVICES["prometheus"]["user"].partition(":")[2] == SERVICES["metrics-token"]["user"].partition(":")[2]


def test_grafana_is_provisioned_from_where_it_is_mounted() -> None:
    folder = mounted(SERVICES["grafana"])["./conf/grafana"]
    assert SERVICES["grafana"]["environment"]["GF_PATHS_PROVISIONING"] == f"{folder}/provisioning"
    provisioning = PROJECT_ROOT / "conf" / "grafana" / "provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "netheal.yml").read_text())["providers"]
    assert provider["options"]["path"] == f"{folder}/dashboards"


def test_the_proxy_gets_every_value_that_its_template_asks_for() -> None:
    proxy = SERVICES["proxy"]
    ((source, target),) = mounted(proxy).items()
    assert target.startswith("/etc/nginx/templates/") and target.endswith(".conf.template")
    asked = re.findall(r"\$\{(\w+)\}", (PROJECT_ROOT / source).read_text())
    given = {name for name in proxy["environment"] if re.match(proxy["environment"]["NGINX_ENVSUBST_FILTER"], name)}
    assert sorted(asked) == sorted(given)
    assert proxy["environment"]["PROXY_UPSTREAM"] == "api:8000"
