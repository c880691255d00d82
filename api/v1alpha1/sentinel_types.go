package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Sentinel is the Sentinels of an instance of topology Sentinel: how many there
// are, and when they act.
//
// +kubebuilder:validation:XValidation:rule="!has(self.quorum) || self.quorum > self.?replicas.orValue(3) / 2",message="spec.sentinel.quorum must be a majority of spec.sentinel.replicas: with fewer, Sentinels that are cut off from the primary fail it over although most of the others see it"
// +kubebuilder:validation:XValidation:rule="!has(self.quorum) || self.quorum < self.?replicas.orValue(3)",message="spec.sentinel.quorum must be less than spec.sentinel.replicas: else nothing is failed over while one Sentinel is away, and no Sentinel can be restarted"
type Sentinel struct {
	// replicas is how many Sentinels there are: an odd number from 3 to 9, and 3
	// when not set. An even number outlives no more losses than one less.
	// +optional
	// +kubebuilder:validation:Minimum=3
	// +kubebuilder:validation:Maximum=9
	// +kubebuilder:validation:XValidation:rule="self % 2 == 1",message="spec.sentinel.replicas must be odd, as one more than an odd number outlives no more losses: use one less or one more"
	Replicas *int32 `json:"replicas,omitempty"`

	// quorum is how many Sentinels must find the primary down before it is failed
	// over. The majority of replicas when not set, which is also the least that is
	// accepted: any failover needs the votes of a majority, but those who vote do
	// not look at the primary themselves. It is at most replicas - 1, so that one
	// Sentinel may be away. Sentinels learn a change while they run.
	// +optional
	// +kubebuilder:validation:Minimum=2
	// +kubebuilder:validation:Maximum=8
	Quorum *int32 `json:"quorum,omitempty"`

	// downAfter is for how long a server must be silent until a Sentinel finds it
	// down, from 1s to 5m; 5s when not set. Keep it well below the 40 s or so after
	// which Kubernetes gives a host up. Sentinels learn a change while they run.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('5m')",message="spec.sentinel.downAfter must be from 1s to 5m"
	DownAfter *metav1.Duration `json:"downAfter,omitempty"`

	// failoverTimeout is for how long Sentinels wait for each step of a failover
	// before they call it off, from 3s to 10m; 10s when not set. Twice as long
	// passes before they try again. It is also the longest that writes may wait in
	// a handover that goes wrong. Less than 3s would call off failovers that are
	// going well, as Sentinels look at the new primary once a second. It may be
	// less or more than downAfter, which bounds something else. Sentinels learn a
	// change while they run.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('3s') && duration(self) <= duration('10m')",message="spec.sentinel.failoverTimeout must be from 3s to 10m"
	FailoverTimeout *metav1.Duration `json:"failoverTimeout,omitempty"`

	// primaryName is the name that clients ask Sentinels for, mymaster when not
	// set. It cannot be changed later.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9._-]+$`
	PrimaryName string `json:"primaryName,omitempty"`

	// image of the Sentinels in full. That of the instance when not set, so that
	// spec.version and spec.image are theirs too.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^[^\s]+$`
	Image string `json:"image,omitempty"`

	// resources of each Sentinel's container.
	// +optional
	// +kubebuilder:validation:XValidation:rule="!has(self.claims)",message="spec.sentinel.resources.claims is not supported: remove it"
	Resources corev1.ResourceRequirements `json:"resources,omitzero"`

	// restartToken restarts every Sentinel, one after the other, when it changes.
	// spec.restartToken restarts the data servers alone.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	RestartToken string `json:"restartToken,omitempty"`
}

// SentinelStatus is one Sentinel and its pod.
type SentinelStatus struct {
	// name of the pod.
	// +required
	Name string `json:"name"`
	// monitors is the pod that the Sentinel names as primary; empty when it names
	// none, or one that is no pod of the instance.
	// +optional
	Monitors string `json:"monitors,omitempty"`
	// agrees is true when the Sentinel names the primary that the servers
	// themselves show.
	// +optional
	Agrees bool `json:"agrees"`
	// revision is the pod's controller-revision-hash.
	// +optional
	Revision string `json:"revision,omitempty"`
	// fresh is true when revision is the newest one.
	// +optional
	Fresh bool `json:"fresh"`
	// ready is the pod's Ready condition.
	// +optional
	Ready bool `json:"ready"`
	// host is the Kubernetes node that the pod runs on.
	// +optional
	Host string `json:"host,omitempty"`
	// version that the Sentinel says it runs.
	// +optional
	Version string `json:"version,omitempty"`
	// message is why the Sentinel does not agree, when it does not.
	// +optional
	Message string `json:"message,omitempty"`
}
