{{/* Combinations of values that cannot work; each ends the installation with what is wrong and what to do. */}}
{{- define "rendercar.validate" -}}
{{- $offered := list -}}
{{- range .Values.node.config.resources -}}
  {{- $name := default "rendercar.dev/render" .name -}}
  {{- if has $name $offered -}}
    {{- fail (printf "node.config.resources names %q twice; give each resource a name of its own" $name) -}}
  {{- end -}}
  {{- $offered = append $offered $name -}}
{{- end -}}
{{- range $name, $class := include "rendercar.classes" . | fromJson -}}
  {{- /* RenderPools offer resources too, which only the cluster knows. */ -}}
  {{- if and $.Values.node.enabled (not $.Values.operator.enabled) (not (has $class.resource $offered)) -}}
    {{- fail (printf "classes.%s takes %q, which node.config.resources does not offer (it offers: %s); change classes.%s.resource or add the resource" $name $class.resource (join ", " $offered) $name) -}}
  {{- end -}}
  {{- range $key, $_ := $class.resources.requests -}}
    {{- if contains "/" $key -}}
      {{- fail (printf "classes.%s.resources.requests has %q; extended resources are set by classes.%s.resource and shares" $name $key $name) -}}
    {{- end -}}
  {{- end -}}
  {{- range $key, $_ := $class.resources.limits -}}
    {{- if contains "/" $key -}}
      {{- fail (printf "classes.%s.resources.limits has %q; extended resources are set by classes.%s.resource and shares" $name $key $name) -}}
    {{- end -}}
  {{- end -}}
  {{- if not (hasKey $class.resources.limits "memory") -}}
    {{- fail (printf "classes.%s.resources.limits has no memory; without a limit a guest could fill the node, so set one (2Gi suits most)" $name) -}}
  {{- end -}}
  {{- if and (eq $class.display "headless") (gt (int $class.heads) 1) -}}
    {{- fail (printf "classes.%s is headless and has %d heads; headless VMs have no screens, so set heads to 1 or display to secondary" $name (int $class.heads)) -}}
  {{- end -}}
  {{- range list "--create-session" "--socket-dir" "--control-socket" "--display" "--heads" "--resolution" -}}
    {{- $flag := . -}}
    {{- range $class.extraArgs -}}
      {{- if or (eq . $flag) (hasPrefix (printf "%s=" $flag) .) -}}
        {{- fail (printf "classes.%s.extraArgs has %s, which the chart sets itself; use the class's own keys" $name .) -}}
      {{- end -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- if and (eq .Values.kubevirt.plugin.when "always") (eq .Values.admission.when "never") -}}
  {{- fail "kubevirt.plugin.when is always and admission.when is never: KubeVirt would ask a sidecar that nobody injects; set admission.when to auto or always" -}}
{{- end -}}
{{- if and (eq .Values.kubevirt.plugin.when "never") (eq .Values.admission.when "always") -}}
  {{- fail "admission.when is always and kubevirt.plugin.when is never: VMs would get a sidecar and no GPU device; set kubevirt.plugin.when to auto or always" -}}
{{- end -}}
{{- if and (not .Values.node.enabled) (eq .Values.monitoring.podMonitor.when "always") -}}
  {{- fail "monitoring.podMonitor.when is always and node.enabled is false: there is nothing to scrape; set it to auto or never" -}}
{{- end -}}
{{- if and (not .Values.serviceAccount.create) (not .Values.serviceAccount.name) .Values.openshift.enabled -}}
  {{- fail "openshift.enabled would bind a security context constraint to the namespace's default account; set serviceAccount.create or serviceAccount.name" -}}
{{- end -}}
{{- if and .Values.podDisruptionBudget.enabled (not .Values.node.enabled) -}}
  {{- fail "podDisruptionBudget.enabled needs node.enabled: there are no pods to keep" -}}
{{- end -}}
{{- if and .Values.operator.enabled (not .Values.node.enabled) -}}
  {{- fail "operator.enabled is true while node.enabled is false; the operator runs beside the node agent, so enable both or none" -}}
{{- end -}}
{{- if and .Values.operator.enabled (not .Values.serviceAccount.create) (not .Values.serviceAccount.name) -}}
  {{- fail "operator.enabled would give rights to the default account of the namespace; set serviceAccount.create or serviceAccount.name" -}}
{{- end -}}
{{- end }}
