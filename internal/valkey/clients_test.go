package valkey

import (
	"errors"
	"testing"
	"time"
)

const capturedClients = "id=14 addr=127.0.0.1:36648 laddr=127.0.0.1:17010 fd=11 name=web-7 age=12 idle=1 flags=b capa= db=0 sub=0 psub=0 ssub=0 multi=-1 watch=0 qbuf=0 qbuf-free=0 argv-mem=11 multi-mem=0 rbs=1024 rbp=0 obl=0 oll=0 omem=0 tot-mem=1699 events=r cmd=blpop user=default redir=-1 resp=2 lib-name=lettuce lib-ver=6.1 tot-net-in=33 tot-net-out=0 tot-cmds=0\n" +
	"id=16 addr=[::1]:39800 laddr=[::1]:17010 fd=13 name= age=0 idle=0 flags=N capa= db=0 sub=0 psub=0 ssub=0 multi=-1 watch=0 qbuf=0 qbuf-free=0 argv-mem=10 multi-mem=0 rbs=16384 rbp=16384 obl=0 oll=0 omem=0 tot-mem=17050 events=r cmd=client|list user=valkeeper redir=-1 resp=2 lib-name= lib-ver= tot-net-in=26 tot-net-out=0 tot-cmds=0\n"

func TestClientListIsRead(t *testing.T) {
	clients, err := ParseClients(capturedClients)
	if err != nil || len(clients) != 2 {
		t.Fatalf("%d clients, %v", len(clients), err)
	}
	want := ClientInfo{
		ID: 14, Addr: "127.0.0.1:36648", Name: "web-7", User: "default", Age: 12 * time.Second, Idle: time.Second,
		Command: "blpop", Flags: "b", LibName: "lettuce", LibVer: "6.1",
	}
	if clients[0] != want {
		t.Errorf("got %+v, want %+v", clients[0], want)
	}
	if clients[1].Addr != "[::1]:39800" || clients[1].Command != "client|list" {
		t.Errorf("got %+v", clients[1])
	}
	if _, err := ParseClients("id=x age=1 idle=1\n"); !errors.Is(err, ErrMalformed) {
		t.Errorf("a client without a number as its id: %v", err)
	}
}

func TestOwnConnectionsAreKnownByUserElseByName(t *testing.T) {
	ours, theirs := ClientInfo{User: "valkeeper"}, ClientInfo{User: "default", Name: ClientName}
	withUser := &Node{ownUser: "valkeeper"}
	if !withUser.own(ours) || withUser.own(theirs) {
		t.Error("with a user of its own, a client that only calls itself like us is not ours")
	}
	for _, user := range []string{"", "default"} {
		shared := &Node{ownUser: user}
		if !shared.own(theirs) || shared.own(ClientInfo{User: "default"}) {
			t.Errorf("user %q: the name tells", user)
		}
	}
}
