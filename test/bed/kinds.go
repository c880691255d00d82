package bed

import (
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	eventsv1 "k8s.io/api/events/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

type runtimeObject = runtime.Object

// ownedLists are lists of every kind of object that an instance consists of,
// claims apart: those outlive it.
func ownedLists() []client.ObjectList {
	return []client.ObjectList{
		&corev1.PodList{}, &corev1.ServiceList{}, &corev1.ConfigMapList{}, &corev1.SecretList{},
		&appsv1.StatefulSetList{}, &policyv1.PodDisruptionBudgetList{}, &discoveryv1.EndpointSliceList{},
	}
}

type eventOf = eventsv1.Event

// eventTime is when an event was seen last.
func eventTime(e eventOf) time.Time {
	switch {
	case e.Series != nil:
		return e.Series.LastObservedTime.Time
	case !e.EventTime.IsZero():
		return e.EventTime.Time
	default:
		return e.DeprecatedLastTimestamp.Time
	}
}
