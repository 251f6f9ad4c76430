{{/* Whether requests are judged: an agent that refuses nothing, or goes by a policy that Helm cannot read, is not foretold. */}}
{{- define "nodegate.judgesRequests" -}}
{{- if and .Values.admission.enabled .Values.admission.requests (not .Values.policyConfigMap) -}}
{{- if ne (toString (include "nodegate.policyRead" . | fromJson).mode) "audit" -}}
true
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What files/requests.yaml reads of the policy, as JSON. It is what config/admission makes of it. */}}
{{- define "nodegate.requestsData" -}}
{{- $policy := include "nodegate.policyRead" . | fromJson -}}
{{- $profiles := (.Files.Get "files/profiles.toml" | fromToml).profiles -}}
{{- range $name, $own := $policy.profiles -}}
{{- if and (hasKey $profiles $name) (eq (join "," (keys $own)) "resource") -}}
{{- $own = merge (dict "resource" $own.resource) (get $profiles $name) -}}
{{- end -}}
{{- $_ := set $profiles $name $own -}}
{{- end -}}
{{- $requiring := dict -}}
{{- $exclusive := list -}}
{{- range $name := keys $profiles | sortAlpha -}}
{{- with include "nodegate.requiredBy" (dict "profiles" $profiles "name" $name "depth" 0) -}}
{{- $_ := set $requiring $name . -}}
{{- end -}}
{{- if dig "resource" "exclusive" false (get $profiles $name) -}}
{{- $exclusive = append $exclusive $name -}}
{{- end -}}
{{- end -}}
{{- $grants := list -}}
{{- $always := list -}}
{{- range $policy.grants -}}
{{- $text := include "nodegate.requestsGrant" (dict "grant" . "requiring" $requiring) -}}
{{- $grant := fromJson $text -}}
{{- if $grant.always -}}
{{- range $grant.namespaces }}{{- $always = append $always (regexQuoteMeta .) -}}{{ end -}}
{{- $always = concat $always (default list $grant.globs) -}}
{{- end -}}
{{- $grants = append $grants $text -}}
{{- end -}}
{{- $chunks := list -}}
{{- range chunk 100 $grants -}}
{{- $text := printf "[%s]" (join "," .) -}}
{{- if gt (len $text) 100000 -}}
{{- fail "policy has grants that are too long for admission: list fewer namespaces in one grant, with globs in their place, or set admission.requests=false" -}}
{{- end -}}
{{- $chunks = append $chunks $text -}}
{{- end -}}
{{- if gt (len (join "" $chunks)) 1000000 -}}
{{- fail (printf "policy has %d grants, which an API server does not take as one object: use globs in the place of lists of namespaces, or set admission.requests=false" (len $grants)) -}}
{{- end -}}
{{- $where := "" -}}
{{- if $always -}}
{{- $where = printf "^(?:%s)$" ($always | uniq | sortAlpha | join "|") -}}
{{- end -}}
{{ dict "Names" (keys $profiles | sortAlpha | toJson) "Requiring" (toJson $requiring) "Exclusive" (toJson $exclusive) "Grants" $chunks "Always" $where | toJson }}
{{- end -}}

{{/* The profile of which a requirement of a user namespace is: its own, or that of the last one it includes. */}}
{{- define "nodegate.requiredBy" -}}
{{- $profile := default dict (get .profiles .name) -}}
{{- if dig "requires" "user_namespace" false $profile -}}
{{ .name }}
{{- else if lt (int .depth) 20 -}}
{{- $by := "" -}}
{{- range $profile.include -}}
{{- $by = default $by (include "nodegate.requiredBy" (dict "profiles" $.profiles "name" . "depth" (add1 $.depth))) -}}
{{- end -}}
{{ $by }}
{{- end -}}
{{- end -}}

{{- define "nodegate.requestsGrant" -}}
{{- $grant := .grant -}}
{{- $out := dict "profiles" $grant.profiles -}}
{{- $sure := true -}}
{{- $names := list -}}
{{- $globs := list -}}
{{- range $grant.namespaces -}}
{{- if regexMatch `[*?\[\\]` . -}}
{{- $globs = append $globs (printf "^%s$" (include "nodegate.globRegexp" .)) -}}
{{- $sure = and $sure (not (include "nodegate.globInexact" .)) -}}
{{- else -}}
{{- $names = append $names . -}}
{{- end -}}
{{- end -}}
{{- $_ := set $out "namespaces" $names -}}
{{- $_ := set $out "globs" $globs -}}
{{- with $grant.pods -}}
{{- $selector := include "nodegate.selector" . | fromJson -}}
{{- if $selector.text -}}
{{- $_ := set $out "pods" $selector.list -}}
{{- $_ := set $out "otherPods" (list (printf "only to pods with labels %q" $selector.text)) -}}
{{- $sure = and $sure $selector.exact -}}
{{- end -}}
{{- end -}}
{{- with $grant.containers -}}
{{- $containers := list -}}
{{- range . -}}
{{- $containers = append $containers (printf "^%s$" (include "nodegate.globRegexp" .)) -}}
{{- $sure = and $sure (not (include "nodegate.globInexact" .)) -}}
{{- end -}}
{{- $_ := set $out "containers" $containers -}}
{{- $_ := set $out "otherContainers" (list (printf "only to containers named %s" (include "nodegate.quoteList" .))) -}}
{{- end -}}
{{- with $grant.runtime_handlers -}}
{{- $_ := set $out "handlers" . -}}
{{- $named := without . "" | uniq -}}
{{- $words := "the default runtime handler" -}}
{{- if and $named (has "" .) -}}
{{- $words = printf "%s, %s" $words (include "nodegate.quoteList" $named) -}}
{{- else if $named -}}
{{- $words = printf "the runtime handler %s" (include "nodegate.quoteList" $named) -}}
{{- end -}}
{{- $_ := set $out "otherHandlers" (list (printf "only under %s" $words)) -}}
{{- end -}}
{{- if has (toString $grant.user_namespace) (list "required" "forbidden") -}}
{{- $_ := set $out "userNamespace" (list $grant.user_namespace) -}}
{{- end -}}
{{- if and $sure (eq (toString $grant.apply) "always") -}}
{{- $always := list -}}
{{- range $grant.profiles }}{{- if hasKey $.requiring . }}{{- $always = append $always . -}}{{ end -}}{{ end -}}
{{- $_ := set $out "always" $always -}}
{{- end -}}
{{- range $key, $list := $out -}}
{{- if not $list }}{{- $_ := unset $out $key -}}{{ end -}}
{{- end -}}
{{ toJson $out }}
{{- end -}}

{{- define "nodegate.quoteList" -}}
{{- range $i, $name := . -}}
{{- if and $i (eq $i (sub (len $) 1 | int)) }} or {{ else if $i }}, {{ end -}}
{{ printf "%q" $name }}
{{- end -}}
{{- end -}}

{{/*
A label selector: its requirements as files/requests.yaml reads them, its text as the agent
prints it, and whether all of it is said: comparisons of numbers are not, nor labels that
Kubernetes sets after admission.
*/}}
{{- define "nodegate.selector" -}}
{{- $key := `[A-Za-z0-9](?:[-A-Za-z0-9_./]*[A-Za-z0-9])?` -}}
{{- $value := `[-A-Za-z0-9_.]*` -}}
{{- $parts := list -}}
{{- $exact := true -}}
{{- range $i, $part := regexFindAll `[^,(\s][^,(]*(\([^)]*\))?` . -1 -}}
{{- $part = trim $part -}}
{{- $name := regexFind $key $part -}}
{{- $requirement := "" -}}
{{- $text := "" -}}
{{- if regexMatch (printf `^%s$` $key) $part -}}
{{- $requirement = printf "%s exists" $name -}}
{{- $text = $name -}}
{{- else if regexMatch (printf `^!\s*%s$` $key) $part -}}
{{- $requirement = printf "%s absent" $name -}}
{{- $text = printf "!%s" $name -}}
{{- else if regexMatch (printf `^%s\s*(=|==|!=)\s*%s$` $key $value) $part -}}
{{- $wanted := regexFind (printf `%s$` $value) $part -}}
{{- $op := regexFind `[!=]+` $part -}}
{{- $requirement = printf "%s %s =%s" $name (ternary "notin" "in" (eq $op "!=")) $wanted -}}
{{- $text = printf "%s%s%s" $name $op $wanted -}}
{{- else if regexMatch (printf `^%s\s+(in|notin)\s*\(\s*%s+\s*(,\s*%s+\s*)*\)$` $key (trimSuffix "*" $value) (trimSuffix "*" $value)) $part -}}
{{- $op := regexReplaceAll (printf `^%s\s+(in|notin)\s*\(.*$` $key) $part "${1}" -}}
{{- $wanted := list -}}
{{- range regexFindAll (printf `%s+` (trimSuffix "*" $value)) (regexFind `\(.*` $part) -1 }}{{- $wanted = append $wanted . -}}{{ end -}}
{{- $wanted = $wanted | uniq | sortAlpha -}}
{{- $requirement = printf "%s %s =%s" $name $op (join " =" $wanted) -}}
{{- $text = printf "%s %s (%s)" $name $op (join "," $wanted) -}}
{{- else -}}
{{- $exact = false -}}
{{- $text = regexReplaceAll `\s*([<>])\s*` $part "${1}" -}}
{{- end -}}
{{- if regexMatch `(^|\.)(kubernetes|k8s)\.io/|^(pod-template-hash|pod-template-generation|controller-revision-hash|controller-uid|job-name)$` $name -}}
{{- $exact = false -}}
{{- $requirement = "" -}}
{{- end -}}
{{- $parts = append $parts (printf "%s %04d|%s|%s" $name $i $text $requirement) -}}
{{- end -}}
{{- $list := list -}}
{{- $texts := list -}}
{{- range $parts | sortAlpha -}}
{{- $cut := splitn "|" 3 . -}}
{{- $texts = append $texts $cut._1 -}}
{{- with $cut._2 }}{{- $list = append $list . -}}{{ end -}}
{{- end -}}
{{ dict "list" $list "text" (join "," $texts) "exact" $exact | toJson }}
{{- end -}}
