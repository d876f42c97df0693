{{/* What the chart says of both kinds of server; values.settings goes over it. */}}
{{- define "hallmark.commonSettings" -}}
home: /var/lib/hallmark/home
server:
  address: 0.0.0.0
  port: 7443
  public_address: 0.0.0.0
  public_port: 7480
  drain_notice_seconds: 10
  drain_seconds: 20
  connection_age_seconds: 1800
observing:
  address: 0.0.0.0
  port: 7482
ssf:
  address: 0.0.0.0
{{- end -}}

{{/* [Secret of the server's certificate, Secret of client authorities]: where they are mounted, as JSON. */}}
{{- define "hallmark.identityFiles" -}}
{{- $identity := dict -}}
{{- if index . 0 -}}
{{- $_ := set $identity "server_certificate" "/etc/hallmark/tls/tls.crt" -}}
{{- $_ := set $identity "server_key" "/etc/hallmark/tls/tls.key" -}}
{{- end -}}
{{- if index . 1 }}{{ $_ := set $identity "client_authorities" "/etc/hallmark/client-authorities/ca.crt" }}{{ end -}}
{{- $identity | toJson -}}
{{- end -}}

{{/* The API's settings, as JSON. Lists of host names are added to what values.settings says. */}}
{{- define "hallmark.apiSettings" -}}
{{- $name := include "hallmark.fullname" . -}}
{{- $said := deepCopy .Values.settings -}}
{{- $hosts := concat (list "localhost" "127.0.0.1" "::1") (include "hallmark.hostNames" (list $name .Release.Namespace) | fromJsonArray) -}}
{{- $hosts = append $hosts (printf "*.%s-replicas.%s.svc.cluster.local" $name .Release.Namespace) -}}
{{- $hosts = concat $hosts (dig "server" "host_names" list $said) | uniq -}}
{{- $own := dict "server" (dict "host_names" $hosts) "log" (dict "public_folder" "/var/lib/hallmark-public/files") -}}
{{- $hsm := dict -}}
{{- if .Values.hsm.pin.existingSecret }}{{ $_ := set $hsm "pin_file" "/etc/hallmark/pin/pin" }}{{ end -}}
{{- $_ := set $own "hsm" $hsm -}}
{{- $identity := include "hallmark.identityFiles" (list .Values.tls.existingSecret .Values.tls.clientAuthorities.existingSecret) | fromJson -}}
{{- $_ := set $own "identity" $identity -}}
{{- if not (dig "events" "public_url" "" $said) -}}
{{- $_ := set $own "events" (dict "public_url" (printf "http://%s-public.%s.svc:%v" $name .Release.Namespace .Values.public.service.port)) -}}
{{- end -}}
{{- if or .Values.edges.enabled .Values.edges.prepare -}}
{{- $edgeHosts := concat (list "localhost" "127.0.0.1" "::1") (include "hallmark.hostNames" (list (printf "%s-edges" $name) .Release.Namespace) | fromJsonArray) .Values.edges.hostNames | uniq -}}
{{- $_ := set $own "edge" (dict "names" (list .Values.edges.name) "host_names" $edgeHosts) -}}
{{- end -}}
{{- mergeOverwrite (include "hallmark.commonSettings" . | fromYaml) $said $own | toJson -}}
{{- end -}}

{{/* An edge's settings, as JSON: what is said of HSM, log keys and the like is for the API, and does no harm here. */}}
{{- define "hallmark.edgeSettings" -}}
{{- $name := include "hallmark.fullname" . -}}
{{- $api := .Values.edges.api | default (list (printf "%s.%s.svc:%v" $name .Release.Namespace .Values.api.service.port)) -}}
{{- $edge := dict "enabled" true "api" $api "profile" "/etc/hallmark/edge" -}}
{{- if .Values.edges.showPublicFiles }}{{ $_ := set $edge "public_folder" "/var/lib/hallmark-public/files" }}{{ end -}}
{{- $identity := include "hallmark.identityFiles" (list .Values.edges.tls.existingSecret .Values.tls.clientAuthorities.existingSecret) | fromJson -}}
{{- mergeOverwrite (include "hallmark.commonSettings" . | fromYaml) (deepCopy .Values.settings) (deepCopy .Values.edges.settings) (dict "edge" $edge "identity" $identity) | toJson -}}
{{- end -}}

{{/* A value of TOML. Numbers come as floats out of YAML: whole ones are written whole. */}}
{{- define "hallmark.tomlValue" -}}
{{- if kindIs "map" . -}}
{ {{- range $index, $name := keys . | sortAlpha }}{{ if $index }},{{ end }} {{ $name | toJson }} = {{ include "hallmark.tomlValue" (index $ $name) }}{{ end }} }
{{- else if kindIs "slice" . -}}
[{{- range $index, $each := . }}{{ if $index }}, {{ end }}{{ include "hallmark.tomlValue" $each }}{{ end }}]
{{- else if kindIs "float64" . -}}
{{- if eq (float64 (int64 .)) . }}{{ int64 . }}{{ else }}{{ toJson . }}{{ end -}}
{{- else -}}
{{- toJson . -}}
{{- end -}}
{{- end -}}

{{/* The file: the top's keys, then a table for each section, with inline tables in it. */}}
{{- define "hallmark.toml" -}}
{{- range $name := keys . | sortAlpha }}{{ $value := index $ $name }}{{ if not (kindIs "map" $value) }}
{{ $name }} = {{ include "hallmark.tomlValue" $value }}
{{- end }}{{ end }}
{{- range $name := keys . | sortAlpha }}{{ $value := index $ $name }}{{ if kindIs "map" $value }}

[{{ $name }}]
{{- range $key := keys $value | sortAlpha }}{{ $found := index $value $key }}{{ if not (kindIs "invalid" $found) }}
{{ $key }} = {{ include "hallmark.tomlValue" $found }}
{{- end }}{{ end }}
{{- end }}{{ end }}
{{- end -}}

{{/* Seconds a pod may take to end: notice, drain, then the last checkpoint, and as much again. */}}
{{- define "hallmark.graceSeconds" -}}
{{- add 30 (ceil (dig "server" "drain_notice_seconds" 10 .) | int) (ceil (dig "server" "drain_seconds" 20 .) | int) -}}
{{- end -}}

{{/* What can not be, said before anything is made. */}}
{{- define "hallmark.check" -}}
{{- if .Values.api.enabled -}}
{{- $many := or (gt (int .Values.api.replicas) 1) .Values.api.autoscaling.enabled -}}
{{- if and $many (not .Values.database.existingSecret) }}{{ fail "more than one replica needs PostgreSQL: set database.existingSecret (docs/kubernetes.md)" }}{{ end -}}
{{- if and $many (eq .Values.hsm.kind "softhsm") }}{{ fail "SoftHSM lives in one pod: more than one replica needs hsm.kind=pkcs11 and a network HSM (docs/kubernetes.md)" }}{{ end -}}
{{- if and $many (not .Values.authority.existingSecret) }}{{ fail "more than one replica needs the same authority: set authority.existingSecret (docs/kubernetes.md)" }}{{ end -}}
{{- if and $many (not (dig "log" "origin" "" .Values.settings)) }}{{ fail "more than one replica needs the log's name: set settings.log.origin; it never changes again" }}{{ end -}}
{{- if and (eq .Values.hsm.kind "pkcs11") (not .Values.hsm.pin.existingSecret) }}{{ fail "hsm.kind=pkcs11 needs the PIN: set hsm.pin.existingSecret" }}{{ end -}}
{{- if and (eq .Values.hsm.kind "pkcs11") (not (dig "hsm" "module" "" .Values.settings)) }}{{ fail "hsm.kind=pkcs11 needs the library: set settings.hsm.module, such as /opt/hsm/libpkcs11.so" }}{{ end -}}
{{- if and (or $many (and .Values.edges.enabled .Values.edges.showPublicFiles)) (not .Values.public.existingClaim) (not (has "ReadWriteMany" .Values.public.accessModes)) }}{{ fail "several pods share the public files: public.accessModes must have ReadWriteMany, or name public.existingClaim" }}{{ end -}}
{{- else -}}
{{- if not .Values.edges.enabled }}{{ fail "neither api.enabled nor edges.enabled: nothing would run" }}{{ end -}}
{{- if not .Values.edges.api }}{{ fail "without an API in this release edges need edges.api: host:port of API replicas elsewhere" }}{{ end -}}
{{- if and .Values.edges.showPublicFiles (not .Values.public.existingClaim) }}{{ fail "without an API nobody writes the public files: name public.existingClaim, or set edges.showPublicFiles=false" }}{{ end -}}
{{- if eq .Values.public.readFrom "api" }}{{ fail "without an API public.readFrom must be edges" }}{{ end -}}
{{- end -}}
{{- if .Values.edges.enabled -}}
{{- if not .Values.edges.identity.existingSecret }}{{ fail "edges need their identity: set edges.identity.existingSecret (docs/kubernetes.md)" }}{{ end -}}
{{- if not (or .Values.edges.database.existingSecret .Values.database.existingSecret) }}{{ fail "edges read PostgreSQL: set edges.database.existingSecret" }}{{ end -}}
{{- end -}}
{{- if and (eq .Values.public.readFrom "edges") (not (and .Values.edges.enabled .Values.edges.showPublicFiles)) }}{{ fail "public.readFrom=edges needs edges.enabled and edges.showPublicFiles" }}{{ end -}}
{{- end -}}
