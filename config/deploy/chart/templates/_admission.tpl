{{/* The API of MutatingAdmissionPolicy, "" where the cluster has none. */}}
{{- define "nodegate.admissionAPI" -}}
{{- $group := "admissionregistration.k8s.io" -}}
{{- if .Capabilities.APIVersions.Has (printf "%s/v1/MutatingAdmissionPolicy" $group) -}}
{{ $group }}/v1
{{- else if .Capabilities.APIVersions.Has (printf "%s/v1beta1/MutatingAdmissionPolicy" $group) -}}
{{ $group }}/v1beta1
{{- /* Without a cluster, Helm knows no kinds. */ -}}
{{- else if and (not (.Capabilities.APIVersions.Has "apps/v1/DaemonSet")) (semverCompare ">=1.36.0-0" .Capabilities.KubeVersion.Version) -}}
{{ $group }}/v1
{{- end -}}
{{- end -}}

{{/* Namespaces whose pods must start before an agent does, as a JSON list. */}}
{{- define "nodegate.exempt" -}}
{{ concat (list "kube-system" .Release.Namespace) (default list .Values.exemptNamespaces) | uniq | toJson }}
{{- end -}}

{{/* Whom both policies are about. They do not hold the agents' own pods up. */}}
{{- define "nodegate.admissionNamespaces" -}}
namespaceSelector:
  matchExpressions:
    - key: kubernetes.io/metadata.name
      operator: NotIn
      values: {{ include "nodegate.exempt" . }}
{{- end -}}

{{- define "nodegate.admissionGranted" -}}
matchConditions:
  - name: granted
    expression: request.namespace.matches(r'{{ include "nodegate.grantedRegexp" . }}')
{{- end -}}

{{/* What differs from a word in one place: two letters are up to three others there. */}}
{{- define "nodegate.nearly" -}}
{{- $parts := list -}}
{{- range $i := until (int (sub (len .) 1)) -}}
{{- $parts = append $parts (printf "%s[^/]{0,3}%s" (regexQuoteMeta (substr 0 $i $)) (regexQuoteMeta (substr (int (add $i 2)) (len $) $))) -}}
{{- end -}}
{{ join "|" $parts }}
{{- end -}}
