package client

import (
	"slices"
	"testing"
)

func TestTheNodesOfAClusterAreReadAsServersTellThem(t *testing.T) {
	members, err := ParseNodes(`07c37dfeb235213a872192d90877d0cd55635b91 10.1.0.4:6379@16379,orders-0.shop,,tls-port=0 slave e7d1eecce10fd6bb5eb35b9f99a514335d9ba9ca 0 1426238317239 4 connected
67ed2db8d677e59ec4a4cefb06858cf2a1a89fa1 127.0.0.1:30002@31002 master - 0 1426238316232 2 connected 5461-10922
e7d1eecce10fd6bb5eb35b9f99a514335d9ba9ca [::1]:30001@31001 myself,master - 0 0 1 connected 0-5459 5460 [93-<-292f8b365bb7edb5e285caf0b7e6ddc7265d2f4f]
6ec23923021cf3ffec47632106199cb7f496ce01 :0@0 master,fail,noaddr - 0 1426238316232 2 disconnected
`)
	if err != nil || len(members) != 4 {
		t.Fatalf("%d members, %v", len(members), err)
	}
	replica, other, me, ghost := members[0], members[1], members[2], members[3]
	if replica.Primary || replica.Of != me.ID || replica.Addr != "10.1.0.4:6379" || replica.Host != "orders-0.shop" || replica.Slots.Len() != 0 {
		t.Errorf("replica %+v", replica)
	}
	if !other.Primary || other.Of != "" || other.Slots.Len() != 5462 || !other.Slots[5461] || !other.Slots[10922] || other.Moving || other.Trouble != nil {
		t.Errorf("primary %s %s, %d slots", other.ID, other.Addr, other.Slots.Len())
	}
	if !me.Myself || me.Addr != "[::1]:30001" || me.Slots.Len() != 5461 || !me.Moving {
		t.Errorf("myself %s %s, %d slots, moving %t", me.ID, me.Addr, me.Slots.Len(), me.Moving)
	}
	if !slices.Equal(ghost.Trouble, []string{"fail", "noaddr"}) {
		t.Errorf("a ghost has the troubles %v", ghost.Trouble)
	}
}

func TestWhatIsNoListOfNodesIsAnError(t *testing.T) {
	for _, text := range []string{
		"ERR This instance has cluster support disabled",
		"id 10.0.0.1 master - 0 0 1 connected",
		"id 10.0.0.1:1@2 master - 0 0 1 connected 5-4",
		"id 10.0.0.1:1@2 master - 0 0 1 connected 0-16384",
		"id 10.0.0.1:1@2 master - 0 0 1 connected some",
	} {
		if members, err := ParseNodes(text); err == nil {
			t.Errorf("%q was read as %+v", text, members)
		}
	}
}
