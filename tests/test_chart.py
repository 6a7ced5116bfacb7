"""The chart for Helm: its values, and what its templates make of them, by the schemas of Kubernetes.

Helm itself is not here. ``tests/support/chart`` renders with the library that Helm renders with.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import pytest
import yaml
from jsonschema import Draft7Validator

from countermand.settings import Settings
from tests.support.waiting import HANGS_S

ROOT: Final = Path(__file__).parents[1]
CHART: Final = ROOT / "deploy" / "helm" / "countermand"
KUBERNETES: Final = ("1.27", "1.37")
"""The oldest version that the chart says it works with, and the newest whose schemas are here."""

Values = Mapping[str, Any]
Render = Callable[..., list[dict[str, Any]]]

EVERYTHING: Final[Values] = {
    "image": {"tag": "0.2.0-rc1"},
    "imagePullSecrets": [{"name": "registry"}],
    "settings": {"COUNTERMAND_PUBLIC_URL": "https://cancel.example.com", "COUNTERMAND_LOG_FORMAT": "json"},
    "metrics": {"enabled": True},
    "ingress": {
        "enabled": True,
        "className": "nginx",
        "host": "cancel.example.com",
        "tlsSecret": "cancel-tls",
        "annotations": {"example.com/size": "64k"},
    },
    "networkPolicy": {"enabled": True, "from": [{"namespaceSelector": {"matchLabels": {"name": "ingress"}}}]},
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "only", "operator": "Exists", "effect": "NoSchedule"}],
}
LEAST: Final[Values] = {
    "worker": {"replicas": 0},
    "migrate": {"enabled": False},
    "podDisruptionBudget": {"enabled": False},
}


def schema() -> Draft7Validator:
    return Draft7Validator(json.loads((CHART / "values.schema.json").read_text()))


def values(given: Values) -> dict[str, Any]:
    """The chart's own values under those that are given, as Helm puts them together."""
    return _over(yaml.safe_load((CHART / "values.yaml").read_text()), given)


def _over(below: Values, above: Values) -> dict[str, Any]:
    merged = dict(below)
    for name, value in above.items():
        both = isinstance(value, Mapping) and isinstance(below.get(name), Mapping)
        merged[name] = _over(below[name], value) if both else value
    return merged


@pytest.fixture(scope="module")
def render(tmp_path_factory: pytest.TempPathFactory) -> Render:
    go = shutil.which("go")
    if go is None:
        assert not os.environ.get("COUNTERMAND_TEST_SKIP_NOTHING"), "Go is not installed"
        pytest.skip("Go is not here")
    folder = tmp_path_factory.mktemp("chart")
    program = folder / "render"
    source = Path(__file__).parent / "support" / "chart" / "render.go"
    environment = {
        **os.environ,
        "GOFLAGS": "",
        "GO111MODULE": "off",
        "GOCACHE": str(folder / "cache"),
        "CGO_ENABLED": "0",
    }
    subprocess.run([go, "build", "-o", program, source], env=environment, timeout=HANGS_S, check=True)
    about = yaml.safe_load((CHART / "Chart.yaml").read_text())

    def rendered(given: Values = {}, release: str = "shop") -> list[dict[str, Any]]:  # noqa: B006 - nothing changes it
        seen = {
            "Values": values(given),
            # In templates, names of the chart's file begin with a capital.
            "Chart": {name[0].upper() + name[1:]: value for name, value in about.items()},
            "Release": {"Name": release, "Service": "Helm", "Namespace": "default"},
        }
        assert schema().is_valid(seen["Values"]), [error.message for error in schema().iter_errors(seen["Values"])]
        done = subprocess.run(
            [program, CHART], input=json.dumps(seen), capture_output=True, text=True, timeout=HANGS_S, check=False
        )
        assert done.returncode == 0, done.stderr
        return [each for each in yaml.safe_load_all(done.stdout) if each]

    return rendered


def one(objects: list[dict[str, Any]], kind: str, component: str = "") -> dict[str, Any]:
    """The only object of a kind, and of a component if there are several."""
    labels = (each for each in objects if each["kind"] == kind)
    [found] = [each for each in labels if not component or each["metadata"]["name"].endswith(component)]
    return found


def pods(objects: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for each in objects:
        if each["kind"] in ("Deployment", "Job"):
            yield each["metadata"]["name"], each["spec"]["template"]


def environment(pod: Mapping[str, Any]) -> dict[str, str]:
    named = [(each["name"], each["value"]) for each in pod["spec"]["containers"][0]["env"]]
    assert len(dict(named)) == len(named)
    return dict(named)


@pytest.mark.parametrize("given", [{}, EVERYTHING, LEAST], ids=["own values", "everything", "least"])
@pytest.mark.parametrize("version", KUBERNETES)
def test_kubernetes_knows_every_object_and_every_member(render: Render, given: Values, version: str) -> None:
    objects = render(given)
    for each in objects:
        kubernetes_validate.validate(each, version, strict=True)
    assert len({(each["kind"], each["metadata"]["name"]) for each in objects}) == len(objects)


def test_kubernetes_would_not_take_a_member_that_it_does_not_know(render: Render) -> None:
    deployment = one(render(), "Deployment", "worker")
    deployment["spec"]["template"]["spec"]["containers"][0]["arguments"] = ["worker"]
    with pytest.raises(kubernetes_validate.ValidationError, match="arguments"):
        kubernetes_validate.validate(deployment, KUBERNETES[-1], strict=True)


def test_what_there_is_follows_from_the_values(render: Render) -> None:
    def kinds(given: Values) -> list[str]:
        return sorted(each["kind"] for each in render(given))

    assert kinds({}) == ["Deployment", "Deployment", "Job", "PodDisruptionBudget", "Service"]
    assert kinds(EVERYTHING) == sorted([*kinds({}), "Ingress", "NetworkPolicy"])
    assert kinds(LEAST) == ["Deployment", "Service"]


def test_no_container_may_more_than_it_needs(render: Render) -> None:
    for _, pod in pods(render(EVERYTHING)):
        assert pod["spec"]["automountServiceAccountToken"] is False
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
        assert pod["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        [container] = pod["spec"]["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]["memory"]
        assert {each["mountPath"] for each in container["volumeMounts"]} == {"/run/countermand", "/tmp"}


def test_every_pod_has_the_settings_and_the_keys(render: Render) -> None:
    known = {f"COUNTERMAND_{name.upper()}" for name in Settings.model_fields}
    for _, pod in pods(render(EVERYTHING)):
        given = environment(pod)
        assert given.keys() <= known
        assert given["COUNTERMAND_PUBLIC_URL"] == "https://cancel.example.com"
        assert given["COUNTERMAND_KEY_FILE"] == "/run/countermand/countermand.keys"
        assert given["COUNTERMAND_METRICS_PORT"] == "9464"
        [container] = pod["spec"]["containers"]
        assert container["envFrom"] == [{"secretRef": {"name": "countermand-settings"}}]
        assert container["image"] == "countermand:0.2.0-rc1"
        [keys] = [each["secret"] for each in pod["spec"]["volumes"] if each["name"] == "keys"]
        assert keys["items"] == [{"key": "countermand.keys", "path": "countermand.keys"}]


def test_what_serves_does_the_work_only_where_nobody_else_does(render: Render) -> None:
    serving = {name: environment(pod) for name, pod in pods(render())}["shop-countermand"]
    assert serving["COUNTERMAND_WORKER"] == "false"
    [(_, alone)] = pods(render(LEAST))
    assert environment(alone)["COUNTERMAND_WORKER"] == "true"


def test_calls_reach_what_serves_and_its_health_is_asked(render: Render) -> None:
    objects = render(EVERYTHING)
    labels = {name: pod["metadata"]["labels"] for name, pod in pods(objects)}
    selector = one(objects, "Service")["spec"]["selector"]
    assert [name for name, has in labels.items() if selector.items() <= has.items()] == ["shop-countermand"]
    for each in (each for each in objects if each["kind"] == "Deployment"):
        assert each["spec"]["selector"]["matchLabels"].items() <= each["spec"]["template"]["metadata"]["labels"].items()
    budget = one(objects, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"]
    assert budget == selector
    [container] = dict(pods(objects))["shop-countermand"]["spec"]["containers"]
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
    [backend] = one(objects, "Ingress")["spec"]["rules"][0]["http"]["paths"]
    assert backend["backend"]["service"]["name"] == one(objects, "Service")["metadata"]["name"]


def test_the_schema_is_there_before_a_new_version_is(render: Render) -> None:
    job = one(render(), "Job")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert job["spec"]["template"]["spec"]["containers"][0]["args"] == ["migrate"]
    assert all(len(each["metadata"]["name"]) <= 63 for each in render(release="a" * 53))


REFUSED: Final[dict[str, Values]] = {
    "a member that there is not": {"replicas": 3},
    "nothing that serves": {"serve": {"replicas": 0}},
    "an ingress of no host": {"ingress": {"enabled": True}},
    "a setting of another program": {"settings": {"PATH": "/bin"}},
    "a setting that the chart decides": {"settings": {"COUNTERMAND_KEY_FILE": "/tmp/keys"}},
    "the database for all to read": {"settings": {"COUNTERMAND_DATABASE": "postgresql://u:p@db/x"}},
    "a setting that is no text": {"settings": {"COUNTERMAND_LANES": 4}},
    "no secret": {"settingsSecret": ""},
    "a port beyond all": {"metrics": {"port": 70000}},
}


@pytest.mark.parametrize("given", REFUSED.values(), ids=REFUSED.keys())
def test_the_schema_refuses(given: Values) -> None:
    assert schema().is_valid(values({}))
    assert not schema().is_valid(values(given))


def test_every_value_is_in_the_schema_and_used() -> None:
    said = json.loads((CHART / "values.schema.json").read_text())
    Draft7Validator.check_schema(said)
    assert values({}).keys() == said["properties"].keys() - {"global"}
    used = "".join(path.read_text() for path in (CHART / "templates").iterdir())
    assert [name for name in values({}) if f".Values.{name}" not in used] == []
