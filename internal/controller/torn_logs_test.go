package controller

import (
	"slices"
	"testing"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/observe"
	"github.com/valkeeper/valkeeper/internal/servers"
	"github.com/valkeeper/valkeeper/internal/servers/fake"
)

func TestATornLogIsWrittenAnewWhereThatIsAllowed(t *testing.T) {
	for answer, asks := range map[string]bool{
		"+Background append only file rewriting started\r\n":     true,
		"-ERR Background append only file rewriting already\r\n": true,
		"-NOPERM no permissions to run bgrewriteaof\r\n":         false,
	} {
		s := fake.Listen(t, "127.0.0.1:0")
		s.Reply("BGREWRITEAOF", answer)
		logs := observe.NewTornLogs()
		r := &Reconciler{Servers: servers.NewPool(), Observer: observe.Observer{Servers: servers.NewPool(), TornLogs: logs}}
		t.Cleanup(func() { r.Servers.Keep("shop/cart", nil) })
		logs.Note("shop/cart", "uid", &model.Server{RunID: "a", Unsaved: model.UnsavedLog})
		snap := model.Snapshot{Instance: "shop/cart", Shards: []model.Shard{{Nodes: []model.Node{
			{Ref: model.Ref{UID: "sound", Address: "127.0.0.1:1"}},
			{Ref: model.Ref{UID: "uid", Address: s.Addr()}, Server: model.Server{LogTorn: true}},
		}}}}
		r.mendLogs(t.Context(), servers.Credentials{}, snap)
		r.mendLogs(t.Context(), servers.Credentials{}, snap)
		if n := len(slices.DeleteFunc(slices.Clone(s.Got()), func(c string) bool { return c != "BGREWRITEAOF" })); n != 1 {
			t.Errorf("%q: asked %d times", answer, n)
		}
		later := model.Server{RunID: "a"}
		if logs.Note("shop/cart", "uid", &later); later.LogTorn != asks {
			t.Errorf("%q: it is to be asked again: %t", answer, later.LogTorn)
		}
	}
}
