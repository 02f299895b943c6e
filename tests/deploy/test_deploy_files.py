"""The container files: manifests fit Kubernetes' schemas, ports and labels agree, and every role starts."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from telltale.stream.signalling import free_port
from telltale.streams.reach import parse_ports

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
ITEMS: list[dict[str, Any]] = [item for path in MANIFESTS for item in yaml.safe_load_all(path.read_text())]
DEPLOYMENTS = [item for item in ITEMS if item["kind"] == "Deployment"]


def name_of(item: dict[str, Any]) -> str:
    return f"{item['kind']}-{item['metadata']['name']}"


@pytest.mark.parametrize("item", ITEMS, ids=name_of)
@pytest.mark.parametrize("version", ["1.29", "1.33"])
def test_a_manifest_fits_the_schema_of_its_kind(item: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(item, version, strict=True)


def test_the_schema_check_can_fail() -> None:
    item = next(yaml.safe_load_all(MANIFESTS[0].read_text()))
    item["spec"]["portz"] = []
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(item, "1.33", strict=True)


@pytest.mark.parametrize("item", DEPLOYMENTS, ids=name_of)
def test_a_pod_is_confined(item: dict[str, Any]) -> None:
    pod = item["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] >= 10000
    assert pod["automountServiceAccountToken"] is False
    [container] = pod["containers"]
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert set(container["resources"]["limits"]) == {"cpu", "memory"} == set(container["resources"]["requests"])
    assert "livenessProbe" in container
    names = [port["name"] for port in container.get("ports", [])]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        if "httpGet" in container.get(probe, {}):
            assert container[probe]["httpGet"]["port"] in names
    assert item["spec"]["selector"]["matchLabels"].items() <= item["spec"]["template"]["metadata"]["labels"].items()


def test_services_lead_to_their_pods() -> None:
    pods = [item["spec"]["template"]["metadata"]["labels"] for item in DEPLOYMENTS]
    services = [item for item in ITEMS if item["kind"] == "Service"]
    assert len(services) == 2
    for service in services:
        assert any(service["spec"]["selector"].items() <= labels.items() for labels in pods)


def test_webrtc_sticks_to_its_pod_and_its_ports_are_open() -> None:
    service, deployment = list(yaml.safe_load_all((DEPLOY / "kubernetes" / "serve.yaml").read_text()))
    assert service["spec"]["sessionAffinity"] == "ClientIP"
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    env = {e["name"]: e.get("value") for e in container["env"]}
    low, high = parse_ports(env["RTC_PORTS"])
    udp = [(p["containerPort"], p["hostPort"]) for p in container["ports"] if p["protocol"] == "UDP"]
    assert udp == [(port, port) for port in range(low, high + 1)]
    assert deployment["spec"]["strategy"]["type"] == "Recreate"


def test_compose_opens_the_ports_the_image_takes() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    taken = re.search(r"RTC_PORTS=(\S+)", dockerfile)
    assert taken
    assert f"{taken[1]}/udp" in dockerfile
    assert f"127.0.0.1:{taken[1]}:{taken[1]}/udp" in compose["services"]["serve"]["ports"]
    roles = {service["environment"]["ROLE"] for service in compose["services"].values()}
    assert roles == {"server", "client", "serve"}
    for service in compose["services"].values():
        assert service["image"] == "telltale-stream"
        assert service["read_only"] is True
        assert service["mem_limit"]
    assert "USER 10001" in dockerfile


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Where `telltale` is this checkout's."""
    command = tmp_path / "telltale"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m telltale "$@"\n')
    command.chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "src"),
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": "1",
        "RTC_PORTS": "40000-49999",
        "HOST": "127.0.0.1",
        "SERVER": "127.0.0.1",
        "PORT": str(free_port("127.0.0.1")),
    }


def test_the_images_server_and_client_find_each_other(environment: dict[str, str]) -> None:
    entry = str(DEPLOY / "entrypoint.sh")
    server = subprocess.Popen(
        ["sh", entry, "--once"], env={**environment, "ROLE": "server", "EVERY": "5"}, stdout=subprocess.PIPE, text=True
    )
    client = subprocess.Popen(
        ["sh", entry, "--every", "5"], env={**environment, "ROLE": "client"}, stdout=subprocess.PIPE, text=True
    )
    try:
        assert client.stdout is not None
        assert "frame " in client.stdout.readline()
        client.send_signal(signal.SIGTERM)
        assert "stopped:" in client.communicate(timeout=30)[0]
        told = server.communicate(timeout=30)[0]
        assert "error" in told
        assert "the other side left" in told
        assert (client.returncode, server.returncode) == (0, 0)
    finally:
        for process in (server, client):
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


def test_an_unknown_role_is_one_clear_line(environment: dict[str, str]) -> None:
    run = subprocess.run(
        ["sh", str(DEPLOY / "entrypoint.sh")], env={**environment, "ROLE": "king"}, capture_output=True, text=True
    )
    assert run.returncode == 2
    assert "expected server, client or serve, got 'king'" in run.stderr
