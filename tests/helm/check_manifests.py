"""Run by the interpreter that has kubernetes-validate: manifests on standard input, a line for each problem."""

import json
import sys

import kubernetes_validate

OTHERS = {"PodMonitor", "PrometheusRule"}
"""Of the Prometheus operator: Kubernetes has no schema of theirs."""

for manifest in json.load(sys.stdin):
    if manifest["kind"] in OTHERS:
        continue
    try:
        kubernetes_validate.validate(manifest, sys.argv[1], strict=True)
    except kubernetes_validate.ValidationError as error:
        where = ".".join(map(str, error.path))
        sys.stdout.write(f"{manifest['kind']}/{manifest['metadata']['name']}: {where}: {error.message}\n")
