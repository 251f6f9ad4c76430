{{/* The name of all objects. */}}
{{- define "nodegate.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride }}
{{- else if contains .Chart.Name .Release.Name -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}
{{- end -}}
{{- end -}}

{{- define "nodegate.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "nodegate.labels" -}}
{{ include "nodegate.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "nodegate.image" -}}
{{- with .Values.image -}}
{{- if and .digest (not .tag) -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ default $.Chart.AppVersion .tag }}{{ with .digest }}@{{ . }}{{ end }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What every container of the chart has. The capabilities are its own. */}}
{{- define "nodegate.containerSecurity" -}}
runAsUser: 0
runAsGroup: 0
privileged: false
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
seccompProfile:
  type: RuntimeDefault
{{- with .Values.seLinuxOptions }}
seLinuxOptions:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Where a pod runs: with the agents. */}}
{{- define "nodegate.placement" -}}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* A RuntimeClass "nodegate" of somebody else's that has the right handler does as well,
     and stays theirs. */}}
{{- define "nodegate.foreignRuntimeClass" -}}
{{- $there := lookup "node.k8s.io/v1" "RuntimeClass" "" "nodegate" -}}
{{- if $there -}}
{{- $of := $there.metadata.annotations | default dict -}}
{{- if or (ne (get $of "meta.helm.sh/release-name") .Release.Name) (ne (get $of "meta.helm.sh/release-namespace") .Release.Namespace) -}}
{{- if ne $there.handler "nodegate" -}}
{{- fail (printf "the cluster has a RuntimeClass \"nodegate\" whose handler is %q: delete it, or write runtimeClass.create=false and make one for the handler \"nodegate\" under another name" $there.handler) -}}
{{- end -}}
true
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "nodegate.wantsRuntimeClass" -}}
{{- $create := toString .Values.runtimeClass.create -}}
{{- or (eq $create "true") (and (eq $create "auto") .Values.nri.runtime.patchConfig) -}}
{{- end -}}

{{- define "nodegate.makesRuntimeClass" -}}
{{- and (eq (include "nodegate.wantsRuntimeClass" .) "true") (not (include "nodegate.foreignRuntimeClass" .)) -}}
{{- end -}}
