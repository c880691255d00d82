package render

import (
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

func TestPasswordsThatExistAreKept(t *testing.T) {
	v := instance(t, `{topology: Replication}`)
	first := rendered(t, v, fixed())
	in := Inputs{
		Site: Site{ImageRepository: "valkey"}, Auth: first.AuthSecret, System: first.SystemSecret,
		Random: Passwords{Default: "other1", Operator: "other2", Replication: "other3", Stop: "other4"},
	}
	second := rendered(t, v, in)
	for _, key := range []string{v1alpha1.OperatorPasswordKey, v1alpha1.ReplicationPasswordKey, aclFile, authFile} {
		if string(second.SystemSecret.Data[key]) != string(first.SystemSecret.Data[key]) {
			t.Errorf("%s changed: running servers know only the old one", key)
		}
	}
	if got := string(second.AuthSecret.Data[v1alpha1.PasswordKey]); got != "defaultpassword" {
		t.Errorf("the users' password became %q", got)
	}
}

func TestOnlyTheMissingPasswordIsFilledIn(t *testing.T) {
	in := fixed()
	in.System = &corev1.Secret{Data: map[string][]byte{v1alpha1.OperatorPasswordKey: []byte("kept")}}
	got := rendered(t, instance(t, `{topology: Replication}`), in).SystemSecret.Data
	if string(got[v1alpha1.OperatorPasswordKey]) != "kept" || string(got[v1alpha1.ReplicationPasswordKey]) != "replicationpassword" {
		t.Errorf("got %q and %q", got[v1alpha1.OperatorPasswordKey], got[v1alpha1.ReplicationPasswordKey])
	}
}

func TestNoPasswordStandsInClearTextWhereItNeedNot(t *testing.T) {
	r := rendered(t, instance(t, `{topology: Replication}`), fixed())
	acl := string(r.SystemSecret.Data[aclFile])
	for _, password := range []string{"defaultpassword", "operatorpassword", "replicationpassword", "stoppassword"} {
		if strings.Contains(acl, password) {
			t.Errorf("%s stands in %s", password, aclFile)
		}
		for _, o := range []string{r.ConfigMap.Data[confFile], r.StatefulSets[0].String()} {
			if strings.Contains(o, password) {
				t.Errorf("%s stands outside of a Secret", password)
			}
		}
	}
}

func TestTheUsersOwnSecret(t *testing.T) {
	v := instance(t, `{topology: Replication, auth: {secretName: mine}}`)
	in := fixed()
	in.Auth = &corev1.Secret{Data: map[string][]byte{v1alpha1.PasswordKey: []byte("theirs")}}
	r := rendered(t, v, in)
	if r.AuthSecret != nil {
		t.Error("the operator would write the user's Secret")
	}
	if acl := string(r.SystemSecret.Data[aclFile]); !strings.Contains(acl, "user default reset on #"+hash("theirs")+" ") {
		t.Errorf("the user default has another password:\n%s", acl)
	}
	for name, secret := range map[string]*corev1.Secret{"missing": nil, "without the key": {}} {
		in.Auth = secret
		_, err := Objects(v, in)
		if !errors.Is(err, ErrNoPassword) || !strings.Contains(err.Error(), "mine") {
			t.Errorf("%s: got %v, want an error that names the Secret", name, err)
		}
	}
}

func TestWithoutAuthOnlyTheUserDefaultIsOpen(t *testing.T) {
	r := rendered(t, instance(t, `{topology: Replication, auth: {enabled: false}}`), fixed())
	if r.AuthSecret != nil {
		t.Error("a Secret for nobody")
	}
	for line := range strings.Lines(string(r.SystemSecret.Data[aclFile])) {
		isDefault := strings.HasPrefix(line, "user default ")
		if strings.Contains(line, "nopass") != isDefault {
			t.Errorf("wrong way in: %s", line)
		}
	}
}

func TestASpoiltSystemPasswordIsNamedAndNotWritten(t *testing.T) {
	in := fixed()
	in.System = &corev1.Secret{Data: map[string][]byte{v1alpha1.ReplicationPasswordKey: []byte("a\nreplicaof no one")}}
	_, err := Objects(instance(t, `{topology: Replication}`), in)
	if !errors.Is(err, ErrNoPassword) || !strings.Contains(err.Error(), "cart-system") {
		t.Errorf("got %v", err)
	}
}
