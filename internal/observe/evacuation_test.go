package observe

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

func TestPrimariesLeaveAHostThatIsToGo(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                            "",
		`{spec: {unschedulable: true}}`: "host host-a is cordoned",
		`{spec: {taints: [{key: ToBeDeletedByClusterAutoscaler, value: "1779000000", effect: NoSchedule}]}}`:      "host host-a has the taint ToBeDeletedByClusterAutoscaler",
		`{spec: {taints: [{key: DeletionCandidateOfClusterAutoscaler, effect: PreferNoSchedule}]}}`:               "",
		`{spec: {taints: [{key: ToBeDeletedByClusterAutoscaler, effect: PreferNoSchedule}]}}`:                     "",
		`{spec: {taints: [{key: karpenter.sh/disrupted, effect: NoSchedule}]}}`:                                   "host host-a has the taint karpenter.sh/disrupted",
		`{spec: {taints: [{key: karpenter.sh/disruption, value: disrupting, effect: NoSchedule}]}}`:               "host host-a has the taint karpenter.sh/disruption",
		`{spec: {taints: [{key: aws-node-termination-handler/spot-itn, value: spot-itn-1, effect: NoSchedule}]}}`: "host host-a has the taint aws-node-termination-handler/spot-itn",
		`{spec: {taints: [{key: cloud.google.com/impending-node-termination, effect: NoSchedule}]}}`:              "host host-a has the taint cloud.google.com/impending-node-termination",
		`{spec: {taints: [{key: node.kubernetes.io/unschedulable, effect: NoSchedule}]}}`:                         "host host-a has the taint node.kubernetes.io/unschedulable",
		`{spec: {taints: [{key: dedicated, value: cache, effect: NoSchedule}]}}`:                                  "",
		`{spec: {taints: [{key: node.kubernetes.io/disk-pressure, effect: NoSchedule}]}}`:                         "",
		`{metadata: {annotations: {valkeeper.io/evacuate: ""}}}`:                                                  "host host-a has the annotation valkeeper.io/evacuate, and is not cordoned, so new pods may start on it",
		`{metadata: {annotations: {valkeeper.io/evacuate: "rack 7 is rewired at noon"}}}`:                         "host host-a has the annotation valkeeper.io/evacuate, and is not cordoned, so new pods may start on it",
		`{metadata: {annotations: {valkeeper.io/evacuate: ""}}, spec: {unschedulable: true}}`:                     "host host-a has the annotation valkeeper.io/evacuate",
		`{metadata: {annotations: {valkeeper.io/evacuate: "false"}}}`:                                             "",
		`{metadata: {deletionTimestamp: "2026-05-01T12:00:00Z"}}`:                                                 "host host-a is being deleted",
	} {
		host := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "host-a"}}
		if err := yaml.UnmarshalStrict([]byte(text), host); err != nil {
			t.Fatal(err)
		}
		host.Name = "host-a"
		if have := WhyEvacuate(host); have != want {
			t.Errorf("%s: %q, want %q", text, have, want)
		}
	}
}

func TestAHostsEvacuationIsNewsOnce(t *testing.T) {
	e := NewEvacuations()
	for i, step := range []struct {
		why  string
		news bool
	}{{"", false}, {"cordoned", true}, {"cordoned", false}, {"tainted", true}, {"", true}, {"", false}} {
		now := Departure{Why: step.why}
		if news := e.Note("host-a", now); news != step.news || e.Of("host-a") != now {
			t.Errorf("%d: news %t, %v", i, news, e.Of("host-a"))
		}
	}
	var none *Evacuations
	if none.Of("host-a") != (Departure{}) {
		t.Error("who watches nothing knows of an evacuation")
	}
}
