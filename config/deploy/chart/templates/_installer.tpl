{{/* Puts the wrapper on the node, and tells its containerd. */}}
{{- define "nodegate.installer" -}}
- name: install
  image: {{ include "nodegate.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  args:
    - install
    - --root=/host
    - --no-agent
    # These start without an agent, above all the agents themselves.
    {{- range include "nodegate.exempt" . | fromJsonArray }}
    - --exempt-namespace={{ . }}
    {{- end }}
    {{- with .Values.nri.runtime }}
    {{- if ne .layout "auto" }}
    - --layout={{ .layout }}
    {{- end }}
    {{- with .config }}
    - --config={{ . }}
    {{- end }}
    {{- range .wrap }}
    - --wrap-runtime={{ . }}
    {{- end }}
    {{- if .editManaged }}
    - --edit-managed
    {{- end }}
    {{- if .defaultRuntime }}
    - --default-runtime
    {{- end }}
    {{- if .restart }}
    - --restart
    {{- end }}
    {{- end }}
  {{- include "nodegate.onTheHost" . | nindent 2 }}
{{- end -}}

{{/* A container that changes the node's files. It ends before another starts. */}}
{{- define "nodegate.onTheHost" -}}
terminationMessagePolicy: FallbackToLogsOnError
{{- with .Values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- include "nodegate.containerSecurity" . | nindent 2 }}
  capabilities:
    drop: [ALL]
    add:
      - SYS_CHROOT # asks the node's own containerd, in the node's root, for its version
      - CHOWN      # keeps the group of a configuration that is not root's alone
volumeMounts:
  - name: host
    mountPath: /host
{{- end -}}

{{- define "nodegate.undoHook" -}}
helm.sh/hook: post-delete
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}

{{/* A container that needs nothing of the node. */}}
{{- define "nodegate.nobody" -}}
runAsNonRoot: true
runAsUser: 65534
runAsGroup: 65534
privileged: false
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
seccompProfile:
  type: RuntimeDefault
capabilities:
  drop: [ALL]
{{- end -}}
