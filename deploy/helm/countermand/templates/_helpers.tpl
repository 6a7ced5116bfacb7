{{- define "countermand.name" -}}
{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "countermand.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "countermand.labels" -}}
{{ include "countermand.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{/* What all pods share: nobody in particular, and no token of the cluster. */}}
{{- define "countermand.pod" -}}
automountServiceAccountToken: false
terminationGracePeriodSeconds: 60
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
volumes:
  - name: keys
    secret:
      secretName: {{ .Values.keys.secret | quote }}
      defaultMode: 0440
      items:
        - key: {{ .Values.keys.entry | quote }}
          path: countermand.keys
  - name: tmp
    emptyDir: {}
{{- end }}

{{- define "countermand.container" -}}
image: {{ printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
envFrom:
  - secretRef:
      name: {{ .Values.settingsSecret | quote }}
volumeMounts:
  - name: keys
    mountPath: /run/countermand
    readOnly: true
  - name: tmp
    mountPath: /tmp
{{- end }}

{{/* Over those of the secret, in case both name one. */}}
{{- define "countermand.environment" -}}
- name: COUNTERMAND_KEY_FILE
  value: /run/countermand/countermand.keys
{{- if .Values.metrics.enabled }}
- name: COUNTERMAND_METRICS_HOST
  value: 0.0.0.0
- name: COUNTERMAND_METRICS_PORT
  value: {{ .Values.metrics.port | quote }}
{{- end }}
{{- range $name, $value := .Values.settings }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}
