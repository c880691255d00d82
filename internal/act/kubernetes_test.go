package act

import (
	"errors"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/valkeeper/valkeeper/internal/model"
)

var pods = schema.GroupResource{Resource: "pods"}

// The last change is the primary's: its budget counts anew then.
func TestClientsComeBeforeBudgetsAndThePrimaryBeforeTheOthers(t *testing.T) {
	w := newWorld(t, pod(0), pod(1), pod(2))
	step := model.Publish{Primary: ref(2), Replicas: []model.Ref{ref(0), ref(1)}, Nodes: []model.Publication{
		{Node: ref(0), Role: model.RoleReplica, InService: true, EndDrain: true},
		{Node: ref(1), Role: model.RoleUnknown, InService: false},
		{Node: ref(2), Role: model.RolePrimary, InService: true},
	}}
	if _, err := w.Do(t.Context(), shard, step); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"apply EndpointSlice cart-primary", "apply EndpointSlice cart-replicas",
		"patch cart-2", "patch cart-0", "patch cart-1/status", "patch cart-0/status", "patch cart-2/status",
	}
	if !slices.Equal(w.asked, want) {
		t.Errorf("asked %q\nwant %q", w.asked, want)
	}
	if w.looks != 0 {
		t.Error("what only shows is not looked at again")
	}
	for i, body := range w.bodies[2:] {
		if !strings.Contains(body, `"uid":"uid-`) {
			t.Errorf("%s carries no UID: %s", want[i+2], body)
		}
	}
	for i, says := range map[int]string{
		2: `"valkeeper.io/role":"primary"`, 3: `"valkeeper.io/draining-since":null`,
		4: `"status":"False"`, 5: `"reason":"Synced","status":"True"`, 6: `"reason":"Primary","status":"True"`,
	} {
		if !strings.Contains(w.bodies[i], says) {
			t.Errorf("%s: %s does not say %s", w.asked[i], w.bodies[i], says)
		}
	}
}

func TestATopologyWithoutReplicasHasOneSlice(t *testing.T) {
	w := newWorld(t)
	if _, err := w.Do(t.Context(), shard, model.Publish{Primary: ref(0)}); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(w.asked, []string{"apply EndpointSlice cart-primary"}) {
		t.Errorf("asked %q", w.asked)
	}
}

func TestAPodThatIsNotTheOneThatWasSeenIsLeftAlone(t *testing.T) {
	another := apierrors.NewInvalid(schema.GroupKind{Kind: "Pod"}, "cart-0",
		field.ErrorList{field.Invalid(field.NewPath("metadata", "uid"), "uid-0", "field is immutable")})
	for name, answer := range map[string]error{
		"it is gone": apierrors.NewNotFound(pods, "cart-0"), "another has its name": another,
	} {
		w := newWorld(t, pod(0))
		w.refuse["patch cart-0"] = answer
		if _, err := w.Do(t.Context(), shard, model.Drain{Node: ref(0), Start: true}); !errors.Is(err, ErrChanged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	w := newWorld(t, pod(0))
	w.refuse["patch cart-0"] = apierrors.NewInvalid(schema.GroupKind{Kind: "Pod"}, "cart-0",
		field.ErrorList{field.Invalid(field.NewPath("metadata", "annotations"), "", "a mistake of ours")})
	if _, err := w.Do(t.Context(), shard, model.Drain{Node: ref(0), Start: true}); err == nil || errors.Is(err, ErrChanged) {
		t.Errorf("a mistake of ours is passed over: %v", err)
	}
}

func TestAnEvictionThatIsRefusedIsAHoldThatSaysWhy(t *testing.T) {
	exhausted := apierrors.NewTooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", 0)
	exhausted.ErrStatus.Details.Causes = []metav1.StatusCause{{Message: "The disruption budget theirs needs 2 healthy pods"}}
	twice := &apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: 500,
		Message: "This pod has more than one PodDisruptionBudget"}}
	for name, row := range map[string]struct {
		answer error
		reason model.Reason
		says   string
	}{
		"a budget is exhausted":    {exhausted, model.BudgetExhausted, "The disruption budget theirs needs 2 healthy pods"},
		"two budgets over one pod": {twice, model.EvictionRefused, "more than one PodDisruptionBudget"},
		"a webhook forbids it":     {apierrors.NewForbidden(pods, "cart-1", errors.New("not today")), model.EvictionRefused, "not today"},
	} {
		w := newWorld(t)
		w.refuse["create cart-1/eviction"] = row.answer
		out, err := w.Do(t.Context(), shard, w.planned(model.Restart{Node: ref(1), Revision: "new"}))
		if err != nil || len(out.Holds) != 1 {
			t.Fatalf("%s: %+v, %v", name, out, err)
		}
		if h := out.Holds[0]; h.Reason != row.reason || h.Node != "cart-1" || h.Shard != shard || h.After <= 0 || !strings.Contains(h.Detail, row.says) {
			t.Errorf("%s: %+v", name, h)
		}
	}
}

func TestAPodIsEvictedByItsUIDAfterAFreshLook(t *testing.T) {
	w := newWorld(t)
	if _, err := w.Do(t.Context(), shard, w.planned(model.Restart{Node: ref(1), Revision: "new"})); err != nil {
		t.Fatal(err)
	}
	if len(w.evicted) != 1 || w.looks != 1 {
		t.Fatalf("%d evictions after %d looks", len(w.evicted), w.looks)
	}
	if uid := w.evicted[0].DeleteOptions.Preconditions.UID; uid == nil || *uid != "uid-1" {
		t.Errorf("its precondition is %v", uid)
	}
}

func TestAPodThatHasGoneBeforeItsEvictionIsNoRestartOfOurs(t *testing.T) {
	for _, answer := range []error{apierrors.NewNotFound(pods, "cart-1"), apierrors.NewConflict(pods, "cart-1", errors.New("another UID"))} {
		w := newWorld(t)
		w.refuse["create cart-1/eviction"] = answer
		if _, err := w.Do(t.Context(), shard, w.planned(model.Restart{Node: ref(1), Revision: "new"})); !errors.Is(err, ErrChanged) {
			t.Errorf("%v: %v", answer, err)
		}
	}
}

func TestNothingIsDoneThatAFreshLookDoesNotAskFor(t *testing.T) {
	restart := model.Restart{Node: ref(1), Revision: "new"}
	another := restart
	another.Node.UID = "another-uid"
	newer := restart
	newer.Revision = "newer"
	for name, now := range map[string]model.Plan{
		"nothing is due":         {},
		"a hold":                 {Holds: []model.Hold{{Shard: shard, Reason: model.NodeDown}}},
		"another pod":            {Steps: map[string]model.Step{shard: model.Restart{Node: ref(2), Revision: "new"}}},
		"a pod that replaced it": {Steps: map[string]model.Step{shard: another}},
		"a newer revision":       {Steps: map[string]model.Step{shard: newer}},
		"another kind of step":   {Steps: map[string]model.Step{shard: model.Drain{Node: ref(1)}}},
		"another shard's":        {Steps: map[string]model.Step{"other": restart}},
	} {
		w := newWorld(t)
		w.now = now
		if _, err := w.Do(t.Context(), shard, restart); !errors.Is(err, ErrChanged) || len(w.asked) != 0 {
			t.Errorf("%s: %v, asked %q", name, err, w.asked)
		}
	}
	w := newWorld(t)
	for _, step := range []model.Step{restart, model.Promote{Node: ref(0)}, model.Follow{Node: ref(0), Primary: ref(1)},
		model.Scale{From: 3, To: 2}, model.Handover{From: ref(0), To: ref(1), Revision: "new"}} {
		if _, err := w.Do(t.Context(), shard, step); !errors.Is(err, ErrChanged) {
			t.Errorf("%s is done without a fresh look: %v", step, err)
		}
	}
}

func TestPodsAreAddedAndTakenAwayOnlyFromTheSizeThatWasSeen(t *testing.T) {
	stranger := newWorld(t).Valkey.DeepCopy()
	stranger.UID = "another-uid"
	ours := newWorld(t).Valkey
	for name, row := range map[string]struct {
		set  *appsv1.StatefulSet
		step model.Scale
		want int32
	}{
		"out":                       {set(ours, 3), model.Scale{From: 3, To: 5}, 5},
		"in":                        {set(ours, 3), model.Scale{From: 3, To: 2}, 2},
		"it is another size by now": {set(ours, 4), model.Scale{From: 3, To: 2}, 4},
		"it is somebody else's":     {set(stranger, 3), model.Scale{From: 3, To: 2}, 3},
	} {
		w := newWorld(t, row.set)
		_, err := w.Do(t.Context(), shard, w.planned(row.step))
		if changed := int32(row.step.To) != row.want; errors.Is(err, ErrChanged) != changed || (err != nil && !changed) {
			t.Errorf("%s: %v", name, err)
		}
		after := &appsv1.StatefulSet{}
		if err := w.api.Get(t.Context(), client.ObjectKeyFromObject(row.set), after); err != nil || *after.Spec.Replicas != row.want {
			t.Errorf("%s: size %d, want %d (%v)", name, *after.Spec.Replicas, row.want, err)
		}
	}
}

func TestASizeThatChangesUnderOurHandsIsLookedAtAgain(t *testing.T) {
	w := newWorld(t, set(newWorld(t).Valkey, 3))
	w.refuse["patch cart"] = apierrors.NewConflict(schema.GroupResource{Resource: "statefulsets"}, shard, errors.New("modified"))
	if _, err := w.Do(t.Context(), shard, model.Scale{From: 3, To: 5}); !errors.Is(err, ErrChanged) {
		t.Error(err)
	}
	if !strings.Contains(w.bodies[0], "resourceVersion") {
		t.Errorf("the patch %s names no version", w.bodies[0])
	}
}
