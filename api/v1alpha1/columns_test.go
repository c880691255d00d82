package v1alpha1_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

// status writes a status as the operator does.
func status(t *testing.T, s apiServer, name string, change func(*v1alpha1.ValkeyStatus)) {
	t.Helper()
	v := &v1alpha1.Valkey{}
	if err := s.Get(context.Background(), client.ObjectKey{Namespace: "default", Name: name}, v); err != nil {
		t.Fatal(err)
	}
	change(&v.Status)
	if err := s.Status().Update(context.Background(), v); err != nil {
		t.Fatal(err)
	}
}

func TestWhatKubectlGetPrints(t *testing.T) {
	s := server(t)
	create(t, s, "columns", `{topology: Replication}`)
	status(t, s, "columns", func(st *v1alpha1.ValkeyStatus) {
		st.Ready, st.Primary, st.Rollout = "2/3", "columns-1", "Held: NotSynced columns-2"
		lag := int64(12)
		st.Nodes = []v1alpha1.NodeStatus{{Name: "columns-0", Role: v1alpha1.RoleReplica, LagBytes: &lag}}
		st.ShardsReady, st.Slots = "3/3", "16384/16384" // a Replication's are never written, and are empty
		st.SentinelsReady = "2/3"
		st.Sentinels = []v1alpha1.SentinelStatus{{Name: "columns-sentinel-0", Monitors: "columns-1", Agrees: true}}
		st.Shards = []v1alpha1.ShardStatus{{Name: "columns-shard-0", Ready: "2/2", Slots: 5461, SlotRanges: "0-5460"}}
	})
	table := asTable(t, s, "columns")
	want := []struct {
		column string
		cell   any
	}{
		{"Name", "columns"}, {"Topology", "Replication"}, {"Ready", "2/3"}, {"Shards", "3/3"}, {"Slots", "16384/16384"}, {"Sentinels", "2/3"},
		{"Primary", "columns-1"}, {"Rollout", "Held: NotSynced columns-2"}, {"Age", nil},
	}
	if len(table.ColumnDefinitions) != len(want) || len(table.Rows) != 1 {
		t.Fatalf("%d columns and %d rows: %+v", len(table.ColumnDefinitions), len(table.Rows), table)
	}
	for i, w := range want {
		if got := table.ColumnDefinitions[i].Name; got != w.column {
			t.Errorf("column %d is %s, want %s", i, got, w.column)
		}
		if got := table.Rows[0].Cells[i]; w.cell != nil && got != w.cell {
			t.Errorf("%s is %v, want %v", w.column, got, w.cell)
		}
	}
}

// asTable asks as kubectl does, by the short name's resource.
func asTable(t *testing.T, s apiServer, name string) metav1.Table {
	t.Helper()
	httpClient, err := rest.HTTPClientFor(s.config)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequest(http.MethodGet, s.config.Host+"/apis/valkeeper.io/v1alpha1/namespaces/default/valkeys/"+name, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
	response, err := httpClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var out metav1.Table
	if err := json.Unmarshal(body, &out); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return out
}

func TestTheStatusIsWrittenApartFromTheSpec(t *testing.T) {
	s := server(t)
	v := create(t, s, "apart", `{topology: Replication}`)
	v.Object["status"] = map[string]any{"ready": "9/9"}
	if err := s.Update(context.Background(), v); err != nil {
		t.Fatal(err)
	}
	if _, written := v.Object["status"]; written {
		t.Error("a user can write the status")
	}
	generation := v.GetGeneration()
	status(t, s, "apart", func(st *v1alpha1.ValkeyStatus) { st.Formed = true })
	got := &v1alpha1.Valkey{}
	if err := s.Get(context.Background(), client.ObjectKey{Namespace: "default", Name: "apart"}, got); err != nil {
		t.Fatal(err)
	}
	if !got.Status.Formed || got.Generation != generation {
		t.Errorf("formed is %v, generation %d was %d", got.Status.Formed, got.Generation, generation)
	}
}
