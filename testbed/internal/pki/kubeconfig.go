package pki

import (
	"encoding/base64"
	"fmt"
	"os"
)

const kubeconfigTemplate = `apiVersion: v1
kind: Config
clusters:
- name: %[1]s
  cluster:
    server: %[2]s
    certificate-authority-data: %[3]s
users:
- name: %[1]s
  user:
    client-certificate-data: %[4]s
    client-key-data: %[5]s
contexts:
- name: %[1]s
  context: {cluster: %[1]s, user: %[1]s}
current-context: %[1]s
`

// WriteKubeconfig writes a kubeconfig with everything inside it, for the
// client certificate issued under the given name.
func (a *Authority) WriteKubeconfig(path, context, server, authority, client string) error {
	var encoded [3]string
	for i, file := range []string{a.CertFile(authority), a.CertFile(client), a.KeyFile(client)} {
		raw, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("kubeconfig %s: %w", path, err)
		}
		encoded[i] = base64.StdEncoding.EncodeToString(raw)
	}
	text := fmt.Sprintf(kubeconfigTemplate, context, server, encoded[0], encoded[1], encoded[2])
	half := path + ".half"
	if err := os.WriteFile(half, []byte(text), 0o600); err != nil {
		return fmt.Errorf("kubeconfig %s: %w", path, err)
	}
	return os.Rename(half, path)
}
