package observe

import (
	"testing"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/servers/fake"
	"github.com/valkeeper/valkeeper/internal/valkey"
)

func TestWhatAServerCannotSaveAndWhatFollows(t *testing.T) {
	const err, ok = "err", "ok"
	rdb := v1alpha1.ValkeySpec{Persistence: v1alpha1.Persistence{Mode: v1alpha1.PersistenceRDB}}
	lenient := rdb
	lenient.Config = map[string]v1alpha1.ConfigValue{"Stop-Writes-On-Bgsave-Error": "no"}
	aof := v1alpha1.ValkeySpec{Persistence: v1alpha1.Persistence{Mode: v1alpha1.PersistenceAOF}}
	none := v1alpha1.ValkeySpec{Persistence: v1alpha1.Persistence{Mode: v1alpha1.PersistenceNone}}
	for name, row := range map[string]struct {
		spec                 v1alpha1.ValkeySpec
		log                  string
		saved, written, anew string
		unsaved              model.Unsaved
		refuses              bool
	}{
		"all is well":                                {aof, "1", ok, ok, ok, model.UnsavedNothing, false},
		"the last snapshot failed":                   {rdb, "0", err, ok, ok, model.UnsavedSnapshot, true},
		"and the user wants writes all the same":     {lenient, "0", err, ok, ok, model.UnsavedSnapshot, false},
		"a snapshot failed that a user asked for":    {none, "0", err, ok, ok, model.UnsavedNothing, false},
		"the same, of a server with a log":           {aof, "1", err, ok, ok, model.UnsavedNothing, false},
		"a write to the log failed":                  {aof, "1", ok, err, ok, model.UnsavedLog, true},
		"the log could not be written anew":          {aof, "1", ok, ok, err, model.UnsavedRewrite, false},
		"both":                                       {aof, "1", ok, err, err, model.UnsavedLog, true},
		"there is no log any more whose words count": {none, "0", ok, err, err, model.UnsavedNothing, false},
	} {
		s := fake.Listen(t, loopback)
		s.Info(with(fake.Primary("h1", 10), "aof_enabled", row.log, "rdb_last_bgsave_status", row.saved,
			"aof_last_write_status", row.written, "aof_last_bgrewrite_status", row.anew))
		n := askedAs(t, round{instance: "default/cart", snapshots: snapshotsOf(&row.spec)}, at(s, model.PodRunning))
		if n.Server.Unsaved != row.unsaved || n.Server.RefusesWrites != row.refuses {
			t.Errorf("%s: unsaved %v, refuses writes %t", name, n.Server.Unsaved, n.Server.RefusesWrites)
		}
	}
}

func TestAServerThatSaysNothingOfItsFilesHasNoTrouble(t *testing.T) {
	info, err := valkey.ParseInfo(fake.InfoText(nil))
	if err != nil || unsaved(info) != model.UnsavedNothing {
		t.Errorf("%v, %v", unsaved(info), err)
	}
}
