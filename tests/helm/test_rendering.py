"""What the chart makes of four files of values: valid for Kubernetes, closed, whole. Skips without helm (tools.py)."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from helm.tools import (
    SETS,
    VALUES,
    VERSIONS,
    find_tools,
    name_of,
    of_kind,
    pods_of,
    rendered,
    selects,
    servers_of,
)
from kms.config import Config, load_config

pytestmark = pytest.mark.parametrize("values", SETS)


def containers_of(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]]


def config_of(values: str, name: str, tmp_path: Path) -> Config:
    """The settings of a StatefulSet or Deployment, as the server reads them."""
    (found,) = [each for each in of_kind(rendered(values), "ConfigMap") if each["metadata"]["name"] == name]
    file = tmp_path / "hallmark.toml"
    file.write_text(found["data"]["hallmark.toml"])
    return load_config(file, environment={})


def test_lint_has_nothing_to_say(values: str) -> None:
    outcome = find_tools().lint(VALUES / f"{values}.yaml")
    assert "0 chart(s) failed" in outcome.must_succeed()
    assert "[WARNING]" not in outcome.output


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_every_manifest(values: str, version: str) -> None:
    assert find_tools().check_against_schemas(list(rendered(values)), version) == ""


def test_names_are_given_once(values: str) -> None:
    names = [name_of(each) for each in rendered(values)]
    assert len(set(names)) == len(names)


def test_pods_are_nobody_and_can_write_nowhere(values: str) -> None:
    pods = pods_of(rendered(values))
    assert pods
    for name, pod in pods.items():
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["runAsUser"] > 10000, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec), name
        assert not any("hostPath" in volume for volume in spec["volumes"]), name
        for container in containers_of(pod):
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"] is True, name
            assert security["allowPrivilegeEscalation"] is False, name
            assert security["capabilities"] == {"drop": ["ALL"]}, name
            assert "privileged" not in security, name
            assert container["resources"]["limits"]["memory"], name
            assert container["resources"]["requests"], name


def test_every_mount_has_its_volume_and_no_volume_is_for_nothing(values: str) -> None:
    claims = {each["metadata"]["name"] for each in of_kind(rendered(values), "PersistentVolumeClaim")}
    for each in of_kind(rendered(values), "StatefulSet", "Deployment", "Job"):
        pod = each["spec"]["template"]
        templates = {claim["metadata"]["name"] for claim in each["spec"].get("volumeClaimTemplates", ())}
        volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        mounts = {mount["name"] for container in containers_of(pod) for mount in container["volumeMounts"]}
        assert mounts == set(volumes) | templates, name_of(each)
        said = yaml.safe_load((VALUES / f"{values}.yaml").read_text()).get("public", {})
        for volume in volumes.values():
            if claim := volume.get("persistentVolumeClaim"):
                assert claim["claimName"] in claims | {said.get("existingClaim")}


def test_servers_are_probed_and_have_time_to_end(values: str, tmp_path: Path) -> None:
    for name, pod in servers_of(rendered(values)).items():
        config = config_of(values, name.partition("/")[2], tmp_path)
        (server,) = pod["spec"]["containers"]
        ports = {port["name"]: port["containerPort"] for port in server["ports"]}
        for probe, path in {
            "startupProbe": "/startupz",
            "livenessProbe": "/livez",
            "readinessProbe": "/readyz",
        }.items():
            assert server[probe]["httpGet"] == {"path": path, "port": "observing"}, name
        assert ports["observing"] == config.observing.port
        assert ports["grpc"] == config.server.port
        assert ports["public"] == config.server.public_port
        drain = config.server.drain_notice_seconds + config.server.drain_seconds
        assert pod["spec"]["terminationGracePeriodSeconds"] >= drain + 20
        readiness = server["readinessProbe"]
        assert config.server.drain_notice_seconds >= readiness["periodSeconds"], "load balancers look away first"


def test_the_settings_are_those_of_a_server(values: str, tmp_path: Path) -> None:
    for name, pod in servers_of(rendered(values)).items():
        service = name.partition("/")[2]
        config = config_of(values, service, tmp_path)
        (container,) = pod["spec"]["containers"]
        mounts = tuple(mount["mountPath"] for mount in container["volumeMounts"])
        places = [str(config.home), config.hsm.pin_file, config.identity.server_certificate]
        places += (
            [config.edge.profile, config.edge.public_folder] if config.edge.enabled else [config.log.public_folder]
        )
        for place in filter(None, places):
            assert place.startswith(mounts), place
        assert config.edge.enabled == name.endswith("-edges")
        assert ("--edge" in container["args"]) == config.edge.enabled
        assert config.server.address == config.observing.address == "0.0.0.0"
        if not config.edge.enabled:
            assert config.events.public_url, "what is listened on, 0.0.0.0, is no URL for anybody"
            assert {f"{service}.kms.svc", service} <= set(config.server.host_names)
            assert set(config.edge.names) == (
                {"edges"} if f"Deployment/{service}-edges" in pods_of(rendered(values)) else set()
            )


def test_secrets_are_named_and_never_shown(values: str) -> None:
    manifests = rendered(values)
    assert not of_kind(manifests, "Secret")
    for each in of_kind(manifests, "ConfigMap"):
        assert "password" not in each["data"]["hallmark.toml"].lower()
    for name, pod in pods_of(manifests).items():
        for container in containers_of(pod):
            env = {variable["name"]: variable for variable in container.get("env", ())}
            if "HALLMARK__DATABASE__URL" in env:
                assert set(env["HALLMARK__DATABASE__URL"]["valueFrom"]) == {"secretKeyRef"}, name
            assert not [key for key in env if "PIN" in key or "PASSWORD" in key], name


def test_everything_is_denied_and_each_pod_has_its_exceptions(values: str) -> None:
    policies = of_kind(rendered(values), "NetworkPolicy")
    (deny,) = [each for each in policies if each["metadata"]["name"].endswith("-deny")]
    assert "ingress" not in deny["spec"]
    assert deny["spec"]["policyTypes"] == ["Ingress", "Egress"]
    for name, pod in pods_of(rendered(values)).items():
        assert selects(deny["spec"]["podSelector"], pod), name
        (own,) = [each for each in policies if each is not deny and selects(each["spec"]["podSelector"], pod)]
        for rule in own["spec"].get("ingress", ()):
            assert rule["from"], f"{name}: an empty `from` is everybody"
        ports = {port["name"] for container in containers_of(pod) for port in container.get("ports", ())}
        named = {port["port"] for rule in own["spec"].get("ingress", ()) for port in rule["ports"]}
        assert named == ports, name
        assert own["spec"]["egress"], name


def test_services_budgets_scalers_and_monitors_find_their_pods(values: str) -> None:
    manifests = rendered(values)
    servers = servers_of(manifests)
    for each in of_kind(manifests, "Service"):
        found = [pod for pod in servers.values() if selects({"matchLabels": each["spec"]["selector"]}, pod)]
        (pod,) = found
        ports = {port["name"] for port in pod["spec"]["containers"][0]["ports"]}
        assert {port["targetPort"] for port in each["spec"]["ports"]} <= ports, name_of(each)
    budgets = of_kind(manifests, "PodDisruptionBudget")
    for name, pod in servers.items():
        assert len([each for each in budgets if selects(each["spec"]["selector"], pod)]) == 1, name
    for each in of_kind(manifests, "HorizontalPodAutoscaler"):
        target = each["spec"]["scaleTargetRef"]
        assert f"{target['kind']}/{target['name']}" in servers
        (scaled,) = [it for it in manifests if name_of(it) == f"{target['kind']}/{target['name']}"]
        assert "replicas" not in scaled["spec"], "two would set it in turns"
        assert each["spec"]["minReplicas"] >= 2
    for each in of_kind(manifests, "PodMonitor"):
        assert all(selects(each["spec"]["selector"], pod) for pod in servers.values())


def test_an_upgrade_takes_nobody_away_before_the_next_is_there(values: str) -> None:
    for each in of_kind(rendered(values), "Deployment"):
        assert each["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    for each in of_kind(rendered(values), "StatefulSet"):
        assert each["spec"]["updateStrategy"]["type"] == "RollingUpdate"
        assert each["spec"]["minReadySeconds"] > 0
    for each in of_kind(rendered(values), "Job"):
        assert each["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
        made = {manifest["metadata"]["name"] for manifest in of_kind(rendered(values), "ConfigMap", "ServiceAccount")}
        assert not [name for name in made if f"name: {name}\n" in yaml.safe_dump(each["spec"])], "not there yet"
