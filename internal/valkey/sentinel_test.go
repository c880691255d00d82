package valkey

import (
	"bufio"
	"errors"
	"strings"
	"testing"
	"time"
)

// Answers of real Sentinels, captured from 8.1.1 and 9.1.2: a primary, two replicas
// and three Sentinels, in peace, in the middle of a failover (9.1: coordinated), and
// with two Sentinels, the primary and a replica killed.
func sentinelEntries(t *testing.T, version, what string) []map[string]string {
	t.Helper()
	text := captured(t, "sentinel-"+version+"-"+what+".txt")
	var entries []map[string]string
	for block := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		entry := map[string]string{}
		for line := range strings.Lines(block) {
			name, value, _ := strings.Cut(strings.TrimRight(line, "\n"), " ")
			entry[name] = value
		}
		entries = append(entries, entry)
	}
	return entries
}

var sentinelVersions = []string{"8.1", "9.1"}

func parseEntries[T any](t *testing.T, version, what string, parse func(map[string]string) (T, error)) []T {
	t.Helper()
	var all []T
	for _, entry := range sentinelEntries(t, version, what) {
		one, err := parse(entry)
		if err != nil {
			t.Fatalf("%s %s: %v", version, what, err)
		}
		all = append(all, one)
	}
	return all
}

func TestPrimaryAsASentinelSeesIt(t *testing.T) {
	ports := map[string]int{"8.1": 21100, "9.1": 21200}
	for _, version := range sentinelVersions {
		p := parseEntries(t, version, "primary", parseSentinelPrimary)[0]
		if p.Name != "mymaster" || p.Host != "127.0.0.1" || p.Port != ports[version] || len(p.RunID) != 40 ||
			p.Flags != (SentinelFlags{}) || p.FailoverState != "" || p.RoleReported != RolePrimary || p.InfoAge == 0 ||
			p.ConfigEpoch != 0 || p.Replicas != 2 || p.OtherSentinels != 2 || p.Quorum != 2 ||
			p.DownAfter != 5*time.Second || p.FailoverTimeout != 10*time.Second || p.ParallelSyncs != 1 {
			t.Errorf("%s: %+v", version, p)
		}
		p = parseEntries(t, version, "primary-failover", parseSentinelPrimary)[0]
		want := SentinelFlags{FailoverInProgress: true, Coordinated: version == "9.1", Forced: version == "8.1"}
		if p.Flags != want || p.FailoverState != SentinelWaitPromotion {
			t.Errorf("%s in a failover: %+v", version, p)
		}
		p = parseEntries(t, version, "primary-down", parseSentinelPrimary)[0]
		if p.Flags != (SentinelFlags{Down: true, Disconnected: true}) || p.ConfigEpoch != 1 || p.Port != ports[version]+1 {
			t.Errorf("%s down: %+v", version, p)
		}
	}
}

func TestReplicasAsASentinelSeesThem(t *testing.T) {
	for _, version := range sentinelVersions {
		all := parseEntries(t, version, "replicas", parseSentinelReplica)
		if len(all) != 2 {
			t.Fatalf("%s: %+v", version, all)
		}
		for _, r := range all {
			if r.Host != "127.0.0.1" || len(r.RunID) != 40 || r.Flags != (SentinelFlags{}) || r.RoleReported != RoleReplica ||
				r.InfoAge < time.Second || !r.LinkUp || r.LinkDownFor != 0 || r.PrimaryHost != "127.0.0.1" ||
				r.PrimaryPort == 0 || r.Port <= r.PrimaryPort || r.Priority != 100 || r.Offset < 1000 {
				t.Errorf("%s: %+v", version, r)
			}
		}
		promoted := 0
		for _, r := range parseEntries(t, version, "replicas-failover", parseSentinelReplica) {
			if r.Flags.Promoted {
				promoted++
			}
		}
		if promoted != 1 {
			t.Errorf("%s: %d promoted", version, promoted)
		}
		all = parseEntries(t, version, "replicas-down", parseSentinelReplica)
		if !all[0].Flags.Down || !all[0].Flags.Disconnected || all[1].Flags.Down || all[1].LinkUp || all[1].LinkDownFor != 6*time.Second {
			t.Errorf("%s down: %+v", version, all)
		}
	}
}

func TestOtherSentinelsAsASentinelSeesThem(t *testing.T) {
	for _, version := range sentinelVersions {
		all := parseEntries(t, version, "sentinels", parseSentinelPeer)
		if len(all) != 2 {
			t.Fatalf("%s: %+v", version, all)
		}
		for _, s := range all {
			if len(s.ID) != 40 || s.Host != "127.0.0.1" || s.Port == 0 || s.Flags != (SentinelFlags{}) ||
				s.HelloAge < time.Second || s.VotedLeader != "?" || s.VotedEpoch != 0 {
				t.Errorf("%s: %+v", version, s)
			}
		}
		for _, s := range parseEntries(t, version, "sentinels-down", parseSentinelPeer) {
			if !s.Flags.Down || !s.Flags.Disconnected || (s.VotedEpoch == 1) != (version == "9.1") {
				t.Errorf("%s down: %+v", version, s)
			}
		}
	}
}

func TestEntryWithAFieldMissingIsMalformed(t *testing.T) {
	for _, name := range []string{"ip", "port", "flags", "config-epoch", "quorum", "role-reported"} {
		entry := sentinelEntries(t, "9.1", "primary")[0]
		delete(entry, name)
		if _, err := parseSentinelPrimary(entry); !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
	}
	entry := sentinelEntries(t, "9.1", "replicas")[0]
	entry["slave-priority"] = "many"
	if _, err := parseSentinelReplica(entry); !errors.Is(err, ErrMalformed) {
		t.Errorf("a priority in words: %v", err)
	}
}

func TestInfoOfASentinel(t *testing.T) {
	for version, full := range map[string]string{"8.1": "8.1.1", "9.1": "9.1.2"} {
		info, err := ParseSentinelInfo(captured(t, "sentinel-"+version+"-info.txt"))
		if err != nil || info.Version != full || info.Primaries != 1 || info.Tilt || len(info.RunID) != 40 {
			t.Errorf("%s: %+v, %v", version, info, err)
		}
	}
	if _, err := ParseSentinelInfo(captured(t, "info-9.1-primary.txt")); !errors.Is(err, ErrMalformed) {
		t.Errorf("a data node passes for a Sentinel: %v", err)
	}
}

func TestEventsOfAFailover(t *testing.T) {
	for _, version := range sentinelVersions {
		text := captured(t, "sentinel-"+version+"-events.txt")
		var kinds []string
		for line := range strings.Lines(text) {
			kind, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
			e := SentinelEvent{Kind: kind, Text: rest}
			kinds = append(kinds, kind)
			if (e.Epoch() == 1) != (kind == EventNewEpoch) {
				t.Errorf("%s: epoch of %+v: %d", version, e, e.Epoch())
			}
			host, port, primary, ok := e.Replica()
			if about := kind == EventSelected || kind == EventPromoted; ok != about ||
				ok && (host != "127.0.0.1" || port%100 != 1 || primary != "mymaster") {
				t.Errorf("%s: replica of %+v: %s:%d of %s, %t", version, e, host, port, primary, ok)
			}
		}
		for _, want := range []string{EventNewEpoch, EventTryFailover, EventElectedLeader, EventSelected, EventPromoted, EventFailoverEnd, EventSwitchPrimary} {
			if !strings.Contains(strings.Join(kinds, " ")+" ", want+" ") {
				t.Errorf("%s tells no %s: %v", version, want, kinds)
			}
		}
	}
}

func TestRefusalsOfASentinel(t *testing.T) {
	rows := map[string]error{
		"ERR No such master with that name":                                     ErrNoSuchPrimary,
		"ERR Duplicate master name.":                                            ErrPrimaryExists,
		"INPROG Failover already in progress":                                   ErrSentinelBusy,
		"NOGOODSLAVE No suitable replica to promote":                            ErrNoGoodReplica,
		"NOQUORUM 1 usable Sentinels. Not enough available Sentinels":           ErrNoQuorum,
		"ERR Invalid IP address or hostname specified":                          ErrUnresolved,
		"ERR wrong number of arguments for 'sentinel|failover' command":         ErrUnsupported,
		"NOGOODPRIMARY Primary does not support FAILOVER command":               ErrUnsupported,
		"ERR Only HELLO messages are accepted by Sentinel instances.":           ErrNotHello,
		"ERR unknown subcommand 'FAILOVER'. Try SENTINEL HELP.":                 ErrUnsupported,
		"NOPERM User x has no permissions to run the 'sentinel|myid' command":   ErrAuth,
		"ERR Unknown option or number of arguments for SENTINEL SET 'foo'":      ErrReply,
		"ERR wrong number of arguments for 'sentinel|reset' command":            ErrReply,
		"ERR FAILOVER already in progress.":                                     ErrFailoverInProgress,
		"NOGOODSLAVE2 is no word of a Sentinel's, so only an error reply it is": ErrReply,
	}
	for text, want := range rows {
		err := classifyReply(text)
		if !errors.Is(err, want) || !errors.Is(err, ErrReply) {
			t.Errorf("%s: %v, want %v", text, err, want)
		}
		if errors.Is(ErrReply, want) && (errors.Is(err, ErrUnsupported) || errors.Is(err, ErrNoGoodReplica)) {
			t.Errorf("%s: taken for more: %v", text, err)
		}
	}
}

func TestHelloIsWrittenAsSentinelsWriteIt(t *testing.T) {
	hello := Hello{
		SentinelHost: "s-1.svc", SentinelPort: 26379, SentinelID: strings.Repeat("a", 40),
		Epoch: 8, Name: "main", PrimaryHost: "d-2.svc", PrimaryPort: 6379,
	}
	if got, want := hello.String(), "s-1.svc,26379,"+strings.Repeat("a", 40)+",8,main,d-2.svc,6379,8"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestSubscriptionIsReadWordByWord(t *testing.T) {
	wire := "*3\r\n$9\r\nsubscribe\r\n$10\r\n+new-epoch\r\n:1\r\n*3\r\n$7\r\nmessage\r\n$10\r\n+new-epoch\r\n$1\r\n8\r\n-NOAUTH no\r\n+PONG\r\n"
	reader := bufio.NewReader(strings.NewReader(wire))
	words, err := readWords(reader)
	if err != nil || strings.Join(words, " ") != "subscribe +new-epoch 1" {
		t.Errorf("%v, %v", words, err)
	}
	words, err = readWords(reader)
	if err != nil || strings.Join(words, " ") != "message +new-epoch 8" {
		t.Errorf("%v, %v", words, err)
	}
	if _, err = readWords(reader); !errors.Is(err, ErrAuth) {
		t.Errorf("a refusal: %v", err)
	}
	if _, err = readWords(reader); !errors.Is(err, ErrMalformed) {
		t.Errorf("another reply: %v", err)
	}
}
