package bed

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/remotecommand"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

// Command sends one command to the server in a pod, as the user that the
// instance's Secret is for.
func (i *Instance) Command(ctx context.Context, pod string, command ...string) (string, error) {
	v, err := i.Get(ctx)
	if err != nil {
		return "", err
	}
	var secret corev1.Secret
	if err := i.Cluster.Get(ctx, client.ObjectKey{Namespace: i.Namespace, Name: v.AuthSecretName()}, &secret); err != nil {
		return "", err
	}
	cli := []string{"valkey-cli", "--no-auth-warning", "-a", string(secret.Data[v1alpha1.PasswordKey])}
	out, err := i.Cluster.exec(ctx, i.Namespace, pod, append(cli, command...))
	out = strings.TrimSpace(out)
	if err == nil && isError(out) {
		err = fmt.Errorf("the server answers %q", out)
	}
	if err != nil {
		return out, fmt.Errorf("%s on %s: %w", command[0], pod, err)
	}
	return out, nil
}

// isError tells an error reply: valkey-cli prints it like any other text.
func isError(out string) bool {
	word, _, found := strings.Cut(out, " ")
	return found && len(word) > 2 && strings.ToUpper(word) == word && strings.Trim(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// exec runs a command in a pod's first container.
func (c *Cluster) exec(ctx context.Context, namespace, pod string, command []string) (string, error) {
	request := c.Kube.CoreV1().RESTClient().Post().Namespace(namespace).Resource("pods").Name(pod).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{Command: command, Stdout: true, Stderr: true}, scheme.ParameterCodec)
	executor, err := remotecommand.NewWebSocketExecutor(c.Config, "GET", request.URL().String())
	if err != nil {
		return "", err
	}
	var stdout, stderr bytes.Buffer
	if err := executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: &stdout, Stderr: &stderr}); err != nil {
		return stdout.String(), fmt.Errorf("%w: %s", err, strings.TrimSpace(stderr.String()+stdout.String()))
	}
	return stdout.String(), nil
}
