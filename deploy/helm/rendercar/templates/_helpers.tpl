{{/* Names, labels, images and capability switches. SPDX-License-Identifier: Apache-2.0 */}}

{{- define "rendercar.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- define "rendercar.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "rendercar.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "rendercar.selectorLabels" -}}
app.kubernetes.io/name: {{ include "rendercar.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "rendercar.labels" -}}
{{ include "rendercar.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: rendercar
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "rendercar.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (printf "%s-node" (include "rendercar.fullname" .)) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end }}

{{/* An image reference from {root, image}: registry, repository, then digest or tag. */}}
{{- define "rendercar.image" -}}
{{- $repository := .image.repository -}}
{{- with .root.Values.image.registry }}{{ $repository = printf "%s/%s" . $repository }}{{ end -}}
{{- if .image.digest -}}
{{- printf "%s@%s" $repository .image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (default .root.Chart.AppVersion (default .root.Values.image.tag .image.tag)) -}}
{{- end -}}
{{- end }}

{{/* "true" when a switch {root, when: auto|always|never, api} is on; auto asks the cluster. */}}
{{- define "rendercar.enabled" -}}
{{- if eq .when "always" -}}true
{{- else if eq .when "auto" -}}
{{- if .root.Capabilities.APIVersions.Has .api -}}true{{- end -}}
{{- end -}}
{{- end }}

{{/* The newest version of the MutatingAdmissionPolicy API that the cluster serves; v1 when forced. */}}
{{- define "rendercar.admissionVersion" -}}
{{- $found := "" -}}
{{- range list "v1" "v1beta1" -}}
{{- if and (not $found) ($.Capabilities.APIVersions.Has (printf "admissionregistration.k8s.io/%s/MutatingAdmissionPolicy" .)) -}}
{{- $found = . -}}
{{- end -}}
{{- end -}}
{{- if .Values.admission.apiVersion -}}
{{- .Values.admission.apiVersion -}}
{{- else if $found -}}
{{- $found -}}
{{- else if eq .Values.admission.when "always" -}}
v1
{{- end -}}
{{- end }}

{{- define "rendercar.admissionEnabled" -}}
{{- if and (ne .Values.admission.when "never") (include "rendercar.admissionVersion" .) -}}true{{- end -}}
{{- end }}

{{- define "rendercar.pluginEnabled" -}}
{{- include "rendercar.enabled" (dict "root" . "when" .Values.kubevirt.plugin.when "api" "plugin.kubevirt.io/v1alpha1") -}}
{{- end }}

{{- define "rendercar.podMonitorEnabled" -}}
{{- if .Values.node.enabled -}}
{{- include "rendercar.enabled" (dict "root" . "when" .Values.monitoring.podMonitor.when "api" "monitoring.coreos.com/v1") -}}
{{- end -}}
{{- end }}

{{- define "rendercar.rulesEnabled" -}}
{{- include "rendercar.enabled" (dict "root" . "when" .Values.monitoring.rules.when "api" "monitoring.coreos.com/v1") -}}
{{- end }}

{{/* A string as a CEL literal. */}}
{{- define "rendercar.cel" -}}{{ . | toJson }}{{- end }}

{{- define "rendercar.classPolicyEnabled" -}}
{{- if .Values.admission.classPolicy.enabled -}}
{{- include "rendercar.enabled" (dict "root" . "when" .Values.admission.when "api" "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy") -}}
{{- end -}}
{{- end }}

{{/* A CEL map of quantities, which are strings there, one entry a line. */}}
{{- define "rendercar.celQuantities" -}}
{{- $last := sub (len .) 1 | int -}}
{{- range $i, $key := keys . | sortAlpha -}}
{{- if $i }}
{{ end -}}
{{ $key | toJson }}: {{ get $ $key | toString | toJson }}{{ if lt $i $last }},{{ end }}
{{- end -}}
{{- end }}

{{/* The injected sidecar's arguments for {root, class}, as a JSON list. */}}
{{- define "rendercar.sidecarArgs" -}}
{{- $args := list
  "--create-session=gpu0"
  "--socket-dir=/var/run/kubevirt-plugin/rendercar"
  "--control-socket=/var/run/rendercar/control/sidecar.sock"
  (printf "--display=%s" .class.display)
  (printf "--resolution=%s" .class.resolution)
  (printf "--heads=%d" (int .class.heads))
  (printf "--log-level=%s" .root.Values.sidecar.logLevel)
  (printf "--log-format=%s" .root.Values.sidecar.logFormat) -}}
{{- if not .class.acceleration3d }}{{ $args = append $args "--no-3d" }}{{ end -}}
{{- $args = append $args (printf "--metrics-address=0.0.0.0:%d" (int .root.Values.sidecar.metricsPort)) -}}
{{- concat $args .class.extraArgs | toJson -}}
{{- end }}

{{/* The command by which the kubelet learns that the sidecar serves: launchers start after it. */}}
{{- define "rendercar.sidecarProbe" -}}
{{- list "/usr/bin/test" "-S" "/var/run/kubevirt-plugin/rendercar/gpu0.sock" | toJson -}}
{{- end }}

{{/* What a VM's QEMU is told of the GPU of a class, as rendercar-sidecar prints it for session gpu0. */}}
{{- define "rendercar.qemuChardev" -}}
socket,id=rendercar-chr-gpu0,path=/var/run/kubevirt-plugin/rendercar/gpu0.sock
{{- end }}
{{- define "rendercar.qemuDevice" -}}
{{- $size := splitList "x" .resolution -}}
{"driver":"vhost-user-gpu-pci","id":"rendercar-gpu0","chardev":"rendercar-chr-gpu0","max_outputs":{{ int .heads }},"xres":{{ index $size 0 }},"yres":{{ index $size 1 }}}
{{- end }}

{{/* Where virt-handler finds the sockets of node hooks. */}}
{{- define "rendercar.nodeHookDir" -}}
/var/run/kubevirt/plugins
{{- end }}

{{/* The classes with classDefaults filled in, as a JSON object. */}}
{{- define "rendercar.classes" -}}
{{- $classes := dict -}}
{{- range $name, $class := .Values.classes -}}
{{- $_ := set $classes $name (mergeOverwrite (deepCopy $.Values.classDefaults) (default dict $class)) -}}
{{- end -}}
{{- $classes | toJson -}}
{{- end }}

{{/* One alert from {root, name, expr with %v for the threshold, summary, description}; nothing when it is off. */}}
{{- define "rendercar.alert" -}}
{{- $rules := .root.Values.monitoring.rules -}}
{{- $alert := get $rules.alerts .name -}}
{{- if $alert.enabled -}}
- alert: Rendercar{{ .name }}
  expr: {{ (hasKey $alert "threshold" | ternary (replace "%v" (toString (get $alert "threshold")) .expr) .expr) | quote }}
  for: {{ $alert.for }}
  labels:
    severity: {{ $alert.severity }}
    {{- with $rules.alertLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    summary: {{ .summary | quote }}
    description: {{ .description | quote }}
    runbook_url: {{ printf "%s/%s.md" (trimSuffix "/" $rules.runbookBaseUrl) (.name | snakecase | replace "_" "-") }}
{{- end -}}
{{- end }}

{{/* Who the operator is: not root, but of root's group, to which the agent's socket is open. */}}
{{- define "rendercar.operatorUid" -}}65534{{- end }}

{{/* A container of the operator from {root, name, args}. */}}
{{- define "rendercar.operatorContainer" -}}
- name: {{ .name }}
  image: {{ include "rendercar.image" (dict "root" .root "image" .root.Values.node.image) }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  command: [/usr/bin/rendercar-operator]
  args:
    - --node-api-socket=/run/rendercar/node.sock
    - --base-config=/etc/rendercar/node.yaml
    - --config=/run/rendercar-config/node.yaml
    {{- range .args }}
    - {{ . }}
    {{- end }}
    - --log-level={{ .root.Values.node.logLevel }}
    - --log-format={{ .root.Values.node.logFormat }}
  env:
    - name: NODE_NAME
      valueFrom:
        fieldRef:
          fieldPath: spec.nodeName
  resources:
    {{- toYaml .root.Values.operator.resources | nindent 4 }}
  securityContext:
    runAsNonRoot: true
    runAsUser: {{ include "rendercar.operatorUid" . }}
    runAsGroup: 0
    allowPrivilegeEscalation: false
    readOnlyRootFilesystem: true
    capabilities:
      drop: [ALL]
  volumeMounts:
    - name: config
      mountPath: /etc/rendercar
      readOnly: true
    - name: node-config
      mountPath: /run/rendercar-config
    - name: run
      mountPath: /run/rendercar
    - name: api-access
      mountPath: /var/run/secrets/kubernetes.io/serviceaccount
      readOnly: true
{{- end }}
