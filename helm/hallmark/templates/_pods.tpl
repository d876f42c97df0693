{{/* Who a pod is on its node: nobody, with nothing. */}}
{{- define "hallmark.podSecurity" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{- define "hallmark.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  runAsNonRoot: true
  capabilities:
    drop: [ALL]
{{- end -}}

{{/* Up is not ready: a server whose database is away is not killed, it only gets no calls. docs/observability.md */}}
{{- define "hallmark.probes" -}}
startupProbe:
  httpGet: {path: /startupz, port: observing}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 120
livenessProbe:
  httpGet: {path: /livez, port: observing}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /readyz, port: observing}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
{{- end -}}

{{/* [component's values, component, root] */}}
{{- define "hallmark.placement" -}}
{{- $values := index . 0 -}}{{- $component := index . 1 -}}{{- $root := index . 2 -}}
topologySpreadConstraints:
  {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: {{ $values.spread }}
    labelSelector:
      matchLabels:
        {{- include "hallmark.selector" $root | nindent 8 }}
        app.kubernetes.io/component: {{ $component }}
  {{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{/* [Secret, key]: the database's URL, by reference. */}}
{{- define "hallmark.databaseUrl" -}}
- name: HALLMARK__DATABASE__URL
  valueFrom:
    secretKeyRef:
      name: {{ index . 0 }}
      key: {{ index . 1 }}
{{- end -}}

{{- define "hallmark.ports" -}}
- {name: grpc, containerPort: {{ .server.port | int }}}
{{- with dig "identity" "token_port" nil . }}
- {name: grpc-token, containerPort: {{ . | int }}}
{{- end }}
- {name: public, containerPort: {{ .server.public_port | int }}}
- {name: observing, containerPort: {{ .observing.port | int }}}
{{- if dig "ssf" "enabled" false . }}
- {name: signals, containerPort: {{ dig "ssf" "port" 7481 . | int }}}
{{- end }}
{{- end -}}

{{/* [Secret, key, name of the volume, name of the file] */}}
{{- define "hallmark.secretFile" -}}
- name: {{ index . 2 }}
  secret:
    secretName: {{ index . 0 }}
    defaultMode: 0440
    items:
      - {key: {{ index . 1 | quote }}, path: {{ index . 3 }}}
{{- end -}}
