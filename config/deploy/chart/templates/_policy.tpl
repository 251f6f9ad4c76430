{{/* The administrator's policy. */}}
{{- define "nodegate.policy" -}}
{{- if .Values.policy -}}
{{ .Values.policy }}
{{- else -}}
{{ .Files.Get "files/policy.toml" }}
{{- end -}}
{{- end -}}

{{/* What this chart decides. It comes after the policy, and so has the last word. */}}
{{- define "nodegate.settings" -}}
# Written by the chart. It is read after config.toml, and when an agent starts.
version = 1

[nri]
socket = {{ .Values.nri.socket | quote }}
index = {{ printf "%02d" (int .Values.nri.plugin.index) | quote }}
{{- with include "nodegate.handlers" . }}

[runtime]
handlers = {{ . }}
{{- end }}

[state]
dir = "/run/nodegate"
shadow_dir = "/dev/.udev/nodegate"
host_root = "/host"

[kubelet]
plugin_dir = {{ ternary (printf "%s/device-plugins" .Values.deviceResources.path) "" .Values.deviceResources.enabled | quote }}

[log]
level = {{ .Values.log.level | quote }}
format = {{ .Values.log.format | quote }}
audit = {{ .Values.log.audit | quote }}

[server]
# The socket is the node's: of two agents in a rollout the newer one has it. Over TCP each
# answers for itself, in its pod's own network: to the readiness probe where nobody else
# can take its place in the queue.
{{- if .Values.metrics.enabled }}
# nodegate:accept open_server the address is the pod's own, in the cluster's network
{{- end }}
listen = ["unix:///run/nodegate/nodegate.sock", "{{ include "nodegate.probed" . }}"{{ if .Values.metrics.enabled }}, "tcp://0.0.0.0:{{ .Values.metrics.port }}"{{ end }}]
{{- end -}}

{{/* The handlers that run the wrapper, as a JSON list; "" where they are the default. */}}
{{- define "nodegate.handlers" -}}
{{- with .Values.nri.runtime -}}
{{- if or .defaultRuntime .wrap -}}
{{- $handlers := ternary (list "" "nodegate") (list "nodegate") .defaultRuntime -}}
{{- range .wrap -}}
{{- $handlers = append $handlers (printf "nodegate-%s" .) -}}
{{- end -}}
{{ toJson $handlers }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Where an agent answers its own pod alone. */}}
{{- define "nodegate.probed" -}}
tcp://127.0.0.1:{{ add .Values.metrics.port 1 }}
{{- end -}}

{{/*
The policy as far as Helm reads it: as JSON, {} where it comes from another ConfigMap.
The agent alone reads it strictly.
*/}}
{{- define "nodegate.policyRead" -}}
{{- $policy := dict -}}
{{- if not .Values.policyConfigMap -}}
{{- $policy = include "nodegate.policy" . | fromToml -}}
{{- with $policy.Error -}}
{{- fail (printf "policy is not TOML: %s: mend it; nodegate check says what else there is" .) -}}
{{- end -}}
{{- range $table, $values := dict "nri" "nri.*" "kubelet" "deviceResources.*" "log" "log.*" "server" "metrics.*" "state" "" -}}
{{- if hasKey $policy $table -}}
{{- fail (printf "policy has [%s], which the chart writes: leave it out%s" $table (ternary (printf ", and set the values %s instead" $values) ", the chart's paths are fixed" (ne $values ""))) -}}
{{- end -}}
{{- end -}}
{{- if and (include "nodegate.handlers" .) (hasKey $policy "runtime") -}}
{{- fail "policy has [runtime], which the chart writes with nri.runtime.defaultRuntime or nri.runtime.wrap: leave it out" -}}
{{- end -}}
{{- end -}}
{{ toJson $policy }}
{{- end -}}

{{/* The globs on namespaces that something is granted to, as a JSON list. */}}
{{- define "nodegate.grantedGlobs" -}}
{{- $globs := list -}}
{{- if .Values.policyConfigMap -}}
{{- $globs = .Values.admission.namespaces -}}
{{- else -}}
{{- $policy := include "nodegate.policyRead" . | fromJson -}}
{{- if and (kindIs "slice" $policy.grants) (ne (toString $policy.mode) "audit") -}}
{{- range $policy.grants -}}
{{- if kindIs "slice" .namespaces -}}
{{- $globs = concat $globs .namespaces -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{ toJson ($globs | uniq | sortAlpha) }}
{{- end -}}

{{/*
One regular expression for the granted namespaces, "" if there are none. Globs are those
of the policy, Go's path.Match on names of lower-case letters, digits and -.
*/}}
{{- define "nodegate.grantedRegexp" -}}
{{- $parts := list -}}
{{- range $glob := include "nodegate.grantedGlobs" . | fromJsonArray -}}
{{- $parts = append $parts (include "nodegate.globRegexp" $glob) -}}
{{- end -}}
{{- if $parts -}}
^(?:{{ join "|" $parts }})$
{{- end -}}
{{- end -}}

{{- define "nodegate.globRegexp" -}}
{{- $tokens := regexFindAll `\[(?:\\.|[^\]\\])+\]|\\.|[^\[\\]` . -1 -}}
{{- if or (ne (join "" $tokens) .) (not (regexMatch `^[-a-z0-9*?\[\]^\\]+$` .)) -}}
{{- fail (printf "namespaces has %q, which is no glob on names of namespaces: write lower-case letters, digits and -, with *, ? and [a-z]" .) -}}
{{- end -}}
{{- range $tokens -}}
{{- if eq . "*" -}}
.*
{{- else if eq . "?" -}}
.
{{- else -}}
{{- /* An escaped letter is itself here, and something else in a regular expression. */ -}}
{{- $text := regexReplaceAll `\\([a-z0-9])` . "${1}" -}}
{{- if and (hasPrefix "[" .) (include "nodegate.classBackwards" $text) -}}
.
{{- else if hasPrefix "[" . -}}
{{ $text }}
{{- else -}}
{{ regexQuoteMeta (trimPrefix `\` $text) }}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Whether a class has a range whose end comes before its start, as [z-a]: no regular expression has that. */}}
{{- define "nodegate.classBackwards" -}}
{{- range regexFindAll `(?:\\.|[^\\])-\\?.` (trimPrefix "[" . | trimSuffix "]" | trimPrefix "^") -1 -}}
{{- $ends := splitn "-" 2 (replace `\` "" .) -}}
{{- if or (eq $ends._0 "") (eq $ends._1 "") (lt $ends._1 $ends._0) -}}
true
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Whether the regular expression of a glob matches more than the glob. */}}
{{- define "nodegate.globInexact" -}}
{{- range regexFindAll `\[(?:\\.|[^\]\\])+\]|\\.|[^\[\\]` . -1 -}}
{{- if hasPrefix "[" . -}}
{{ include "nodegate.classBackwards" (regexReplaceAll `\\([a-z0-9])` . "${1}") }}
{{- end -}}
{{- end -}}
{{- end -}}
