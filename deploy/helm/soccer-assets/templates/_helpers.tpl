{{- define "soccer.labels" -}}
app.kubernetes.io/name: soccer-assets
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* How new predictions reach the workers. None of them has a URL of its own. */}}
{{- define "soccer.reload" -}}
{{- $way := .Values.settings.SERVING_RELOAD | default "kubernetes" -}}
{{- if not (has $way (list "kubernetes" "celery")) -}}
{{- fail (printf "settings.SERVING_RELOAD=%s: workers of this chart are reloaded by kubernetes or celery" $way) -}}
{{- end -}}
{{- $way -}}
{{- end }}

{{/* A value as it was written: to Helm, numbers of a file are floats, which it prints as 2.0250101e+07. */}}
{{- define "soccer.text" -}}
{{- if kindIs "string" . }}{{ . }}{{ else if not (kindIs "invalid" .) }}{{ toJson . }}{{ end -}}
{{- end }}

{{/* What every process of ours is told, in a ConfigMap or not: name: "value". */}}
{{- define "soccer.settings" -}}
{{- $told := dict "SERVING_RELOAD" (include "soccer.reload" .) -}}
{{- $_ := set $told "SERVING_WORKERS" (printf "http://%s-predictions" .Release.Name) -}}
{{- if eq (include "soccer.reload" .) "kubernetes" -}}
{{- $_ := set $told "SERVING_DEPLOYMENT" (printf "%s-worker" .Release.Name) -}}
{{- end -}}
{{- range $name, $value := .Values.settings -}}
{{- $text := include "soccer.text" $value -}}
{{- if or $text (not (hasKey $told $name)) -}}
{{- $_ := set $told $name $text -}}
{{- end -}}
{{- end -}}
{{- toYaml $told -}}
{{- end }}

{{- define "soccer.image" -}}
image: "{{ .Values.image.repository }}:{{ include "soccer.text" .Values.image.tag }}"
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- end }}

{{- define "soccer.pod" -}}
automountServiceAccountToken: false
{{ include "soccer.user" . }}
{{- end }}

{{- define "soccer.user" -}}
securityContext:
  runAsNonRoot: true
  runAsUser: 1000
  runAsGroup: 1000
  fsGroup: 1000
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "soccer.container" -}}
{{ include "soccer.image" . }}
securityContext:
  allowPrivilegeEscalation: false
  capabilities: {drop: [ALL]}
envFrom:
  - configMapRef: {name: {{ .Release.Name }}-settings}
  - secretRef: {name: {{ include "soccer.text" .Values.secretName | quote }}}
{{- end }}

{{- define "soccer.mounts" -}}
volumeMounts:
  - {name: home, mountPath: /var/lib/soccer}
  - {name: workspace, mountPath: /app/workspace.yaml, subPath: workspace.yaml, readOnly: true}
  {{- if .Values.params }}
  - {name: workspace, mountPath: /etc/soccer, readOnly: true}
  {{- end }}
{{- end }}

{{- define "soccer.volumes" -}}
- name: workspace
  configMap: {name: {{ .Release.Name }}-files}
{{- end }}

{{/* A process of Dagster's with one instance or many: name, command, whether two may be at once. */}}
{{- define "soccer.webserver" -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .root.Release.Name }}-{{ .name }}
  labels:
    {{- include "soccer.labels" .root | nindent 4 }}
spec:
  replicas: 1
  selector:
    matchLabels:
      {{- include "soccer.labels" .root | nindent 6 }}
      app.kubernetes.io/component: {{ .name }}
  template:
    metadata:
      labels:
        {{- include "soccer.labels" .root | nindent 8 }}
        app.kubernetes.io/component: {{ .name }}
      annotations:
        checksum/config: {{ include (print .root.Template.BasePath "/config.yaml") .root | sha256sum }}
    spec:
      {{- include "soccer.pod" .root | nindent 6 }}
      containers:
        - name: webserver
          {{- include "soccer.container" .root | nindent 10 }}
          command:
            - dagster-webserver
            {{- if .readOnly }}
            - --read-only
            {{- end }}
            - --host=0.0.0.0
            - --port=3000
            - --workspace=/app/workspace.yaml
          ports:
            - {name: http, containerPort: 3000}
          readinessProbe:
            httpGet: {path: /server_info, port: http}
            periodSeconds: 15
            timeoutSeconds: 10
          startupProbe:
            httpGet: {path: /server_info, port: http}
            periodSeconds: 5
            timeoutSeconds: 10
            failureThreshold: 60
          livenessProbe:
            httpGet: {path: /server_info, port: http}
            periodSeconds: 30
            timeoutSeconds: 10
          resources:
            {{- toYaml .resources | nindent 12 }}
          {{- include "soccer.mounts" .root | nindent 10 }}
      volumes:
        {{- include "soccer.volumes" .root | nindent 8 }}
        - name: home
          emptyDir: {}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ .root.Release.Name }}-{{ .name }}
  labels:
    {{- include "soccer.labels" .root | nindent 4 }}
spec:
  selector:
    {{- include "soccer.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .name }}
  ports:
    - {name: http, port: 80, targetPort: http}
{{- end }}
