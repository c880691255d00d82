{{- /* What the operator may do in a namespace that it looks after. */ -}}
{{- define "valkeeper.rules" -}}
- apiGroups: [valkeeper.io]
  resources: [valkeys]
  verbs: [get, list, watch]
- apiGroups: [valkeeper.io]
  resources: [valkeys/status]
  verbs: [patch]
# To own objects (blockOwnerDeletion) where the API server enforces that right.
- apiGroups: [valkeeper.io]
  resources: [valkeys/finalizers]
  verbs: [update]
# Deleted is that of a shard which is empty and no longer wished for.
- apiGroups: [apps]
  resources: [statefulsets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, patch]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [get, list, watch, create, patch]
# OpenShift asks for it before a slice may name addresses of pods.
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices/restricted]
  verbs: [create]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch, create, patch, delete]
# No list and no watch: the operator reads the Secrets of its instances by name.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, create, patch]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, patch]
# Only to see which are there: Kubernetes makes and deletes them.
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [pods/status]
  verbs: [patch]
# Pods are removed in this way only, so that budgets bind the operator too.
- apiGroups: [""]
  resources: [pods/eviction]
  verbs: [create]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: ["", events.k8s.io]
  resources: [events]
  verbs: [create, patch]
# To say why a pod is not made, which only an event of its StatefulSet tells. Without it
# everything else works.
- apiGroups: [""]
  resources: [events]
  verbs: [list]
{{- end }}
