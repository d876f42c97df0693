{{/* [peers, name of the port]; no peers is nobody, while an empty `from` would be everybody. */}}
{{- define "hallmark.ingressRule" -}}
{{- with index . 0 -}}
- from:
    {{- toYaml . | nindent 4 }}
  ports:
    - {port: {{ index $ 1 }}, protocol: TCP}
{{- end -}}
{{- end -}}

{{- define "hallmark.dnsRule" -}}
- to:
    {{- toYaml .dns | nindent 4 }}
  ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
{{- end -}}

{{/* Without peers: any address, on the database's port. */}}
{{- define "hallmark.databaseRule" -}}
- ports:
    - {port: {{ .database.port }}, protocol: TCP}
  {{- with .database.to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
